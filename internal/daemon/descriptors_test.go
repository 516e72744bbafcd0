package daemon

import "testing"

func TestDescriptorsAreSharedSoThatNobodyTakesAnothers(t *testing.T) {
	for _, limit := range []int{16, 64, 256, 1024, 1 << 20} {
		for clients := range 20 {
			d := shareDescriptors(limit, clients, 2)
			if d.connections < 1 || d.files < 1 || d.pages < 8 || d.pages > 512 {
				t.Errorf("limit %d, %d clients: %+v leaves somebody without any", limit, clients, d)
			}
			used := ownDescriptors + perConnection*d.connections*clients + perFile*d.files*2 + d.pages
			if roomy := limit >= 256; roomy && used > limit {
				t.Errorf("limit %d, %d clients: %+v comes to %d", limit, clients, d, used)
			}
		}
	}
	if d := shareDescriptors(64, 2, 1); d.connections != 4 || d.files != 3 {
		t.Errorf("of 64 two clients get %+v", d)
	}
}

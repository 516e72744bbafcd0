package answers

import (
	"bytes"
	"testing"
)

func TestAnAnswerInPiecesIsWhatWasWritten(t *testing.T) {
	a := newAnswer()
	var want, got bytes.Buffer
	for _, n := range []int{1, pieceOfAnswer - 2, 1, 2, 3 * pieceOfAnswer, 0, 4096, pieceOfAnswer} {
		p := bytes.Repeat([]byte{byte('a' + want.Len()%26)}, n)
		want.Write(p)
		if wrote, err := a.Write(p); wrote != n || err != nil {
			t.Fatalf("wrote %d of %d: %v", wrote, n, err)
		}
	}
	if pieces := len(a.body); pieces != 6 {
		t.Errorf("%d pieces, want 6", pieces)
	}
	if _, err := a.body.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("read %d bytes, wrote %d: %v", got.Len(), want.Len(), err)
	}
}

package cf_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rotatord/rotatord/internal/cf/cfsim"
	"github.com/rotatord/rotatord/internal/fault/faulttest"
)

// answer is one that Cloudflare, or what stands before it, may give.
type answer struct {
	name, body string
	status     int
}

func everyAnswer() (all []answer) {
	refusal := func(code string) string {
		return fmt.Sprintf(`{"success":false,"errors":[{"code":%s,"message":"said so"}],"messages":[],"result":null}`, code)
	}
	for _, status := range []int{200, 204, 302, 400, 401, 403, 404, 405, 408, 409, 413, 418, 429, 500, 502, 503, 599} {
		all = append(all,
			answer{fmt.Sprintf("%d of Cloudflare", status), refusal("1"), status},
			answer{fmt.Sprintf("%d with a page", status), "<html>no</html>", status})
	}
	for _, code := range []string{"6003", "6111", "21007", "21009", "21012"} {
		all = append(all, answer{"400 with code " + code, refusal(code), 400})
	}
	for _, code := range []string{"9109", "10000"} {
		all = append(all, answer{"403 with code " + code, refusal(code), 403})
	}
	const unreasoned = `{"success":false,"errors":[]}`
	all = append(all, answer{"200 without a reason", unreasoned, 200}, answer{"400 without a reason", unreasoned, 400})
	return append(all, answer{"404 with code 21007", refusal("21007"), 404}, answer{"409 with code 21009", refusal("21009"), 409},
		answer{"409 with a code in quotes", refusal(`"21009"`), 409})
}

func TestWhatCloudflaresErrorsMean(t *testing.T) { synctest.Test(t, compareMeanings) }

func compareMeanings(t *testing.T) {
	var page faulttest.Page
	for _, a := range everyAnswer() {
		var texts, calls []string
		errs := map[string]error{}
		for _, o := range operations {
			sim := newSim(cfsim.Options{})
			sim.Next(o.op, cfsim.Fault{Kind: cfsim.Instead, Status: a.status, Body: a.body})
			err := o.run(t, newClient(t, sim.Transport()))
			text := faulttest.Describe(err)
			if _, told := errs[text]; !told {
				texts, calls = append(texts, text), append(calls, "")
				errs[text] = err
			}
			for i := range texts {
				if texts[i] == text {
					calls[i] = strings.TrimSpace(calls[i] + " " + o.name)
				}
			}
		}
		for i, text := range texts {
			page.Add(a.name+", to "+calls[i], errs[text])
		}
	}
	page.Compare(t, "testdata/errors.txt")
}

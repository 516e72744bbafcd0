package daemon

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/cf"
	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/timefmt"
)

const (
	apiTokenCheck = 24 * time.Hour
	apiTokenRetry = 10 * time.Minute    // after a check that nobody answered
	apiTokenSoon  = 30 * 24 * time.Hour // that it expires is told
)

// apiTokenWatch is what is known of an account's own API token. The accountWatch's lock guards it.
type apiTokenWatch struct {
	client *cf.Client    // that was asked; a reload may bring another, with another token
	next   time.Duration // when it is asked again, by the elapsed-time clock
	token  cf.APIToken   // without a status: not known
	told   bool          // something was logged, and still holds
}

// verifyAPIToken asks once a day how the account's API token stands, and tells what a person has to do.
func (w *accountWatch) verifyAPIToken(ctx context.Context, name string, t *apiTokenWatch, c *cf.Client) {
	if c == t.client && w.elapsed() < t.next {
		return
	}
	token, err := c.VerifyToken(ctx, moq.Priority{Urgency: moq.Routine})
	if ctx.Err() != nil {
		return
	}
	t.client, t.next = c, w.elapsed()+apiTokenCheck
	if err != nil { // what was known stays so
		t.next = w.elapsed() + apiTokenRetry
		return
	}
	w.metrics.APITokenExpires(name, token.Expires)
	w.mu.Lock()
	defer w.mu.Unlock()
	t.token = token
	if text := apiTokenText(token, now(c)); text != "" || t.told {
		t.told = text != ""
		w.logAPIToken(name, text)
	}
}

func (w *accountWatch) logAPIToken(name, text string) {
	if text == "" {
		w.log.Info("the account's API token is good for long again", zap.String("account", name))
		return
	}
	w.log.Warn(text, zap.String("account", name))
}

// now is Cloudflare's time, or this machine's while it is not known.
func now(c *cf.Client) time.Time {
	if t := c.Time(); !t.Now.IsZero() {
		return t.Now
	}
	return time.Now()
}

// apiTokenText says what a person has to do about an account's API token; "" while nothing.
func apiTokenText(t cf.APIToken, now time.Time) string {
	const remedy = "make a new one in Cloudflare's dashboard and put it into its source"
	left := t.Expires.Sub(now)
	switch {
	case t.Status == "":
		return ""
	case !t.Expires.IsZero() && left <= 0:
		return fmt.Sprintf("the account's API token expired on %s: %s", timefmt.Stamp(t.Expires), remedy)
	case !t.IsActive():
		return fmt.Sprintf("the account's API token is %q, not active: %s", t.Status, remedy)
	case !t.Expires.IsZero() && left <= apiTokenSoon:
		return fmt.Sprintf("the account's API token expires on %s: %s", timefmt.Stamp(t.Expires), remedy)
	}
	return ""
}

// notes are what a person should know of the installation, beside its slots.
func (w *accountWatch) notes() (all []string) {
	if text := w.worstOffset(); text != "" {
		all = append(all, text)
	}
	for _, name := range w.names() {
		if text := w.apiTokenNote(name); text != "" {
			all = append(all, "account "+name+": "+text)
		}
	}
	return all
}

func (w *accountWatch) apiTokenNote(name string) string {
	c := w.backends().byName[name]
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[name]
	if s == nil || c == nil {
		return ""
	}
	return apiTokenText(s.token.token, now(c))
}

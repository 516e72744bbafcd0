package answers

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// leisurely takes each piece just before it would be cut off for that.
type leisurely struct{ http.ResponseWriter }

func (l leisurely) Write(p []byte) (int, error) {
	<-time.After(DefaultPace().Piece - time.Second)
	return len(p), nil
}

// takeAtLeisure asks for an answer, and returns for how long it was taken until it was cut off.
func takeAtLeisure(t *testing.T, h http.Handler) (took time.Duration) {
	t.Helper()
	began := time.Now()
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("it was not cut off: %v", err)
		}
		took = time.Since(began)
	}()
	h.ServeHTTP(leisurely{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	return 0
}

func aThousandPieces() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000*written)) })
}

func TestWhoTakesEachPieceInTimeIsCutOffAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := takeAtLeisure(t, NewPlaces(1, DefaultPace()).Each(aThousandPieces()))
		if pace := DefaultPace(); took <= pace.Whole || took > pace.Whole+pace.Piece {
			t.Errorf("after %s", took)
		}
	})
}

func TestWhoTakesEachPieceInTimeIsCutOffSoonerWhileSomebodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(1, DefaultPace())
		took := make(chan time.Duration, 1)
		go func() { took <- takeAtLeisure(t, p.Each(aThousandPieces())) }()
		synctest.Wait()
		if w := ask(t.Context(), p.Each(&counted{})); w.Code != http.StatusAccepted {
			t.Errorf("who waited got %d", w.Code)
		}
		if pace := DefaultPace(); len(took) == 0 || <-took > pace.Pressed+pace.Piece {
			t.Error("it was not cut off in time")
		}
	})
}

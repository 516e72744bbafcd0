// Package answers keeps what is being answered over HTTP within bounds of memory, however slowly it
// is read.
//
// An answer is made whole before its first byte is sent: a handler may hold locks that slots need,
// and must not wait for a client. So answers lie in memory, and a fleet's metrics are megabytes.
// Therefore each holds one of few places (Places.Each), from before it is made until it is written;
// a client that does not take it at a Pace is cut off, sooner while somebody waits for a place.
// Those who ask for the same while one answer is in the making share the next (Places.Shared): it
// is begun after the last of them asked, so nobody gets what was true before.
//
// Both wrap a handler and leave it as it is; package web says which answers are bounded by which.
package answers

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer is a response kept in memory, in pieces: a large fleet's would be copied
// time and again, and leave as much again behind, if it grew in one.
type answer struct {
	header http.Header
	status int
	body   net.Buffers
}

const (
	pieceOfAnswer = 256 << 10
	firstPiece    = 16 << 10 // most answers are small
)

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusOK} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	last := len(a.body) - 1
	if last < 0 || cap(a.body[last])-len(a.body[last]) < len(p) {
		size := pieceOfAnswer
		if last < 0 {
			size = firstPiece
		}
		a.body, last = append(a.body, make([]byte, 0, max(size, len(p)))), last+1
	}
	a.body[last] = append(a.body[last], p...)
	return len(p), nil
}

func (a *answer) size() (n int) {
	for _, piece := range a.body {
		n += len(piece)
	}
	return n
}

// written is how much is written at a time: so much has to be taken within Pace.Piece.
const written = 32 << 10

// writeTo sends the answer, and ends the connection of a reader who does not take it in time.
func (a *answer) writeTo(w http.ResponseWriter, p *Places) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(a.size()))
	out := reader{w: w, deadline: http.NewResponseController(w), places: p, began: time.Now()}
	w.WriteHeader(a.status)
	for _, piece := range a.body {
		for len(piece) > 0 {
			n := min(written, len(piece))
			if !out.takes(piece[:n]) {
				panic(http.ErrAbortHandler) // it may not look as if it were whole
			}
			piece = piece[n:]
		}
	}
}

// reader is somebody to whom an answer is written.
type reader struct {
	w        http.ResponseWriter
	deadline *http.ResponseController
	places   *Places
	began    time.Time
}

// takes writes a part of the answer, and reports whether the reader took it in time.
func (r *reader) takes(part []byte) bool {
	now, pace := time.Now(), r.places.pace
	held := now.Sub(r.began)
	if held > pace.Whole || held > pace.Pressed && r.places.waiting.Load() > 0 {
		return false
	}
	until := now.Add(min(pace.Piece, pace.Whole-held))
	_ = r.deadline.SetWriteDeadline(until) // where there is none, as in tests, nobody is slow
	_, err := r.w.Write(part)
	return err == nil
}

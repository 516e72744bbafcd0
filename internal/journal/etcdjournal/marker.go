package etcdjournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/rotatord/rotatord/internal/durable"
)

func markerKey(folder string) string { return markerFolder + url.PathEscape(folder) }

// NoteMarker tells all replicas what a leader has found in a folder that they share, or put there, and returns what they
// know of it: an earlier leader's word stays, unless it is damaged.
func (s *Store) NoteMarker(ctx context.Context, folder, text string) (string, error) {
	content, _ := json.Marshal(text) // a string
	key := markerKey(folder)
	there, err := s.ensure(ctx, key, s.signer.seal(key, s.sequence.Add(1), content))
	if err != nil {
		return "", s.faultOf(writing, err)
	}
	known, err := s.readMarker(folder, there)
	switch {
	case err == nil:
		return known, nil
	case !errors.Is(err, durable.ErrDamaged):
		return "", s.faultOf(reading, err)
	}
	if err := s.makeAnew(ctx, key, content, err); err != nil {
		return "", s.faultOf(writing, err)
	}
	return text, nil
}

// Marker is Copy.Marker for a leader.
func (s *Store) Marker(ctx context.Context, folder string) (string, error) {
	found, err := s.get(ctx, s.full(markerKey(folder)))
	if err != nil {
		return "", s.faultOf(reading, err)
	}
	if len(found.Kvs) == 0 {
		return "", nil
	}
	return s.knownMarker(folder, found.Kvs[0].Value)
}

// Marker returns what a replica has to see in a folder; "" where no leader has told, or what one told is damaged: then who
// leads next tells it anew.
func (c *Copy) Marker(folder string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contents.marker(folder)
}

func (c *contents) marker(folder string) (string, error) {
	there, known := c.small[markerKey(folder)]
	if !known {
		return "", nil
	}
	return c.place.knownMarker(folder, there)
}

func (p *place) knownMarker(folder string, value []byte) (string, error) {
	text, err := p.readMarker(folder, value)
	switch {
	case errors.Is(err, durable.ErrDamaged):
		return "", nil
	case err != nil:
		return "", p.faultOf(reading, err)
	}
	return text, nil
}

func (p *place) readMarker(folder string, value []byte) (text string, err error) {
	key := markerKey(folder)
	if err := p.decode(key, value, &text); err != nil {
		return "", fmt.Errorf("key %q: %w", p.full(key), err)
	}
	return text, nil
}

package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/sinks/file"
)

// markersTime bounds a look at the folders that replicas share: a network file system may hang.
const markersTime = 5 * time.Second

// checkFolders finds out whether this replica sees the folders of shared sinks as those do who led before. Who does not
// would find every file missing, and mint for all. What cannot be looked at is the sink's own trouble.
func (r *replica) checkFolders(ctx context.Context) error {
	c := r.copy.Load()
	if c == nil {
		return nil
	}
	var wrong fault.Several
	r.eachMarker(ctx, func(ctx context.Context, f config.SharedFolder, m *file.Marker) {
		text, err := c.Marker(f.Folder)
		if err == nil && text != "" { // a leader has put one there
			err = m.Check(ctx, text)
		}
		if fault.Is(file.ErrNoMarker, file.ErrOtherMarker)(err) {
			wrong.Add(fmt.Errorf("sink %s: %w", f.Sink, err))
		}
	})
	return wrong.Err()
}

// markFolders puts a marker into each folder of a shared sink that has none, and tells the others of it.
func (r *replica) markFolders(ctx context.Context, s *etcdjournal.Store) {
	r.eachMarker(ctx, func(ctx context.Context, f config.SharedFolder, m *file.Marker) {
		text, err := m.Place(ctx, randomText())
		if err == nil {
			_, err = s.NoteMarker(ctx, f.Folder, text)
		}
		if err != nil {
			r.log.Warn("whether the other replicas see this folder cannot be found out", zap.String("sink", f.Sink), zap.Error(err))
		}
	})
}

func randomText() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails: it aborts the program instead
	return hex.EncodeToString(b)
}

func (r *replica) eachMarker(ctx context.Context, do func(context.Context, config.SharedFolder, *file.Marker)) {
	ctx, cancel := context.WithTimeout(ctx, markersTime)
	defer cancel()
	cfg := r.fleet.Load()
	for _, f := range cfg.SharedFolders() {
		if m, err := r.markerOf(cfg, f); err == nil { // a sink that cannot be opened is told of already
			do(ctx, f, m)
		}
	}
}

// markerOf returns the same marker for a folder each time: a call that hangs holds up the next one, and not another thread.
func (r *replica) markerOf(cfg *config.Config, f config.SharedFolder) (*file.Marker, error) {
	if known, ok := r.markers.Load(f); ok {
		return known.(*file.Marker), nil
	}
	m, err := cfg.Sinks[f.Sink].(*file.Config).Marker(f.Folder)
	if err != nil {
		return nil, err
	}
	known, _ := r.markers.LoadOrStore(f, m)
	return known.(*file.Marker), nil
}

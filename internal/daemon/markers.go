package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/config"
	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/sinks/file"
)

// markerTime bounds a call at a folder that replicas share: a network file system may hang.
const markerTime = 2 * time.Second

// folder is one that replicas share, with its marker.
type folder struct {
	config.SharedFolder
	marker marker
}

// marker is what *file.Marker does.
type marker interface {
	Place(ctx context.Context, text string) (string, error)
	Check(ctx context.Context, text string) error
}

func (f folder) named(err error) error { return fmt.Errorf("sink %s: %w", f.Sink, err) }

// foldersOf lists the folders of a configuration that replicas share, each once. A sink that cannot be opened is told
// of already.
func (r *replica) foldersOf(cfg *config.Config) (all []folder) {
	for _, f := range cfg.SharedFolders() {
		isKnown := slices.ContainsFunc(all, func(k folder) bool { return k.Folder == f.Folder })
		if m, err := r.markerOf(cfg, f); err == nil && !isKnown {
			all = append(all, folder{f, m})
		}
	}
	return all
}

// markerOf returns the same marker for a folder each time: a call that hangs holds up the next one, and not another thread.
func (r *replica) markerOf(cfg *config.Config, f config.SharedFolder) (marker, error) {
	if known, ok := r.markers.Load(f.Folder); ok {
		return known.(marker), nil
	}
	m, err := openMarker(cfg, f)
	if err != nil {
		return nil, err
	}
	known, _ := r.markers.LoadOrStore(f.Folder, m)
	return known.(marker), nil
}

func openMarker(cfg *config.Config, f config.SharedFolder) (*file.Marker, error) {
	return cfg.Sinks[f.Sink].(*file.Config).Marker(f.Folder)
}

// eachFolder visits folders side by side.
func (r *replica) eachFolder(folders []folder, visit func(folder)) {
	var all sync.WaitGroup
	for _, f := range folders {
		all.Go(func() {
			defer r.lines.LastWords()
			visit(f)
		})
	}
	all.Wait()
}

// agreeOn has a leader see folders as the other replicas do, before anything uses them. The error says in which it does not,
// or that etcd does not tell.
func (r *replica) agreeOn(ctx context.Context, s *etcdjournal.Store, folders []folder) error {
	var mu sync.Mutex
	var wrong fault.Several
	r.eachFolder(folders, func(f folder) {
		if err := r.agreeOnOne(ctx, s, f); err != nil {
			mu.Lock()
			defer mu.Unlock()
			wrong.Add(f.named(err))
		}
	})
	return wrong.Err()
}

// agreeOnOne puts a marker into a folder if no leader has yet, and else looks for the one that replicas know, unless that
// was done. What cannot be looked at is no error, but its sink's own trouble.
func (r *replica) agreeOnOne(ctx context.Context, s *etcdjournal.Store, f folder) error {
	text, err := s.Marker(ctx, f.Folder)
	if err == nil && text == "" {
		text, err = r.putMarker(ctx, s, f)
	}
	if err != nil || text == "" {
		return err
	}
	if r.lastSight(f).text != text {
		r.lookAt(ctx, f, text)
	}
	if err := r.lastSight(f).err; isElsewhere(err) {
		return err
	}
	return ctx.Err()
}

// putMarker returns what all replicas have to see in a folder from now on; "" where nothing can be put there.
func (r *replica) putMarker(ctx context.Context, s *etcdjournal.Store, f folder) (string, error) {
	brief, cancel := context.WithTimeout(ctx, markerTime)
	defer cancel()
	text, err := f.marker.Place(brief, randomText())
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		r.noteSight(f, sight{"", err, sinceBoot()})
		return "", nil
	}
	return s.NoteMarker(ctx, f.Folder, text)
}

func randomText() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails: it aborts the program instead
	return hex.EncodeToString(b)
}

// agreeOnNew has a leader agree with the others on the folders that a reload brings.
func (r *replica) agreeOnNew(ctx context.Context, before, cfg *config.Config) error {
	c := r.core.Load()
	if c == nil {
		return nil // it looks before it campaigns
	}
	brought := slices.DeleteFunc(r.foldersOf(cfg), func(f folder) bool {
		return slices.ContainsFunc(before.SharedFolders(), func(b config.SharedFolder) bool { return b.Folder == f.Folder })
	})
	for _, f := range brought {
		r.sights.Delete(f.Folder) // it may be of a time when the folder was in use before
	}
	return r.agreeOn(ctx, c.journal.(termStore).Store, brought)
}

// catchUp looks again, now and then, for what this leader could not see in a folder. It leads no more if that is another one
// than the others see.
func (r *replica) catchUp(ctx context.Context, c *core, f folder) {
	s, t := r.lastSight(f), c.journal.(termStore)
	switch {
	case s.err == nil || !s.isOld():
		return
	case s.text == "":
		_ = r.agreeOnOne(ctx, t.Store, f) // it is tried again
	default:
		r.lookAt(ctx, f, s.text)
	}
	if err := r.lastSight(f).err; isElsewhere(err) {
		t.term.End(f.named(err))
	}
}

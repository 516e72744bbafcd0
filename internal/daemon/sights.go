package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/internal/fault"
	"github.com/rotatord/rotatord/internal/journal/etcdjournal"
	"github.com/rotatord/rotatord/internal/sinks/file"
)

// markerPause is the time between two looks at a folder that replicas share.
const markerPause = 5 * time.Second

// errUnseen says why a replica leaves leading to others. In which folder and why comes behind.
var errUnseen = errors.New("a marker that a leader put into a shared folder was not seen here, and another replica may be alive")

// errNotLooked is the reason at first.
var errNotLooked = errors.New("nobody has looked yet")

// isElsewhere reports whether an error says that a folder lies on another file system than the other replicas see. Who leads
// with that would find every file missing, and mint for all.
func isElsewhere(err error) bool { return fault.Is(file.ErrNoMarker, file.ErrOtherMarker)(err) }

// sight is what the last look at a shared folder has shown.
type sight struct {
	text string        // of the marker that has to be there; "" while no leader has put one there
	err  error         // nil: it is there
	at   time.Duration // elapsed time
}

func (s sight) isOld() bool { return sinceBoot()-s.at >= markerPause }

// checkFolders is why this replica may not campaign, by what it saw last in the folders that replicas share. One that could
// not be looked at is its sink's own trouble where nobody else can lead.
func (r *replica) checkFolders(c *etcdjournal.Copy) error {
	var wrong, unseen fault.Several
	for _, f := range r.foldersOf(r.fleet.Load()) {
		text, err := c.Marker(f.Folder)
		if err != nil {
			wrong.Add(f.named(err))
		} else if err := r.sightFor(f, text).err; isElsewhere(err) {
			wrong.Add(f.named(err))
		} else if err != nil && text != "" {
			unseen.Add(f.named(err))
		}
	}
	if err := wrong.Err(); err != nil || r.others.lastedFor(anybody) >= r.twoLeases() {
		return err
	}
	if err := unseen.Err(); err != nil {
		return fmt.Errorf("%w: %w", errUnseen, err)
	}
	return nil
}

// sightFor is the last look for a text in a folder.
func (r *replica) sightFor(f folder, text string) sight {
	if s := r.lastSight(f); s.text == text {
		return s
	}
	return sight{text, errNotLooked, -markerPause}
}

func (r *replica) lastSight(f folder) sight {
	s, _ := r.sights.Load(f.Folder)
	last, _ := s.(sight)
	return last
}

// watchFolders looks at the folders that replicas share, until ctx ends, so that who is elected does not have to. A leader
// looks for what it could not see when it began to use a folder.
func (r *replica) watchFolders(ctx context.Context) {
	for wait(ctx, fitCheck) {
		folders := r.foldersOf(r.fleet.Load())
		if c := r.core.Load(); c != nil {
			r.eachFolder(folders, func(f folder) { r.catchUp(ctx, c, f) })
		} else if c := r.copy.Load(); c != nil && c.Err() == nil {
			r.eachFolder(folders, func(f folder) { r.lookFor(ctx, c, f) })
		}
	}
}

// lookFor looks, now and then, for the marker that a leader put into a folder.
func (r *replica) lookFor(ctx context.Context, c *etcdjournal.Copy, f folder) {
	text, err := c.Marker(f.Folder)
	if err == nil && text != "" && r.sightFor(f, text).isOld() {
		r.lookAt(ctx, f, text)
	}
}

// lookAt looks whether a text is in a folder, and notes what it sees.
func (r *replica) lookAt(ctx context.Context, f folder, text string) {
	brief, cancel := context.WithTimeout(ctx, markerTime)
	defer cancel()
	if err := f.marker.Check(brief, text); ctx.Err() == nil {
		r.noteSight(f, sight{text, err, sinceBoot()})
	}
}

// noteSight tells when a folder cannot be looked at, or can be again. Who may not lead for what is there tells that himself.
func (r *replica) noteSight(f folder, s sight) {
	before := r.lastSight(f)
	r.sights.Store(f.Folder, s)
	switch {
	case isSameTrouble(before.err, s.err) || isElsewhere(s.err):
	case s.err != nil:
		r.log.Warn("whether the other replicas see this folder cannot be found out", zap.String("sink", f.Sink), zap.Error(s.err))
	default:
		r.log.Info("this replica sees in this folder what the others see", zap.String("sink", f.Sink), zap.String("folder", f.Folder))
	}
}

// unseenFolders tells of the shared folders that this replica cannot look at.
func (r *replica) unseenFolders() (notes []string) {
	for _, f := range r.foldersOf(r.fleet.Load()) {
		if err := r.lastSight(f).err; err != nil && !isElsewhere(err) {
			notes = append(notes, fmt.Sprintf("whether replica %s sees a folder that the others see cannot be found out: %v", r.name, f.named(err)))
		}
	}
	return notes
}

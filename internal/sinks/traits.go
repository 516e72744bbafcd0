package sinks

import "time"

// What is so of few kinds of sink, a Spec says by a method of its own.

// WriteAdvice is what the maker of a store says of writing a target often.
type WriteAdvice struct {
	Interval time.Duration // a target is not to be written more often; 0: as often as one likes
	Text     string        // the advice, for who has a schedule that does
	Hint     string        // what to do
}

// WriteAdviceOf returns the advice that spec gives by a method WriteAdvice() WriteAdvice; none without it.
func WriteAdviceOf(spec Spec) (none WriteAdvice) {
	if s, ok := spec.(interface{ WriteAdvice() WriteAdvice }); ok {
		return s.WriteAdvice()
	}
	return none
}

// IsOnThisMachine reports whether targets lie on the machine itself, where it depends on rotatord's user who may
// write them: spec says so by a method IsOnThisMachine() bool.
func IsOnThisMachine(spec Spec) bool {
	s, ok := spec.(interface{ IsOnThisMachine() bool })
	return ok && s.IsOnThisMachine()
}

// SharedFolderOf returns the folder, of those that template leads to, which replicas on other machines see as the same.
// ok is false where they do not: spec says so by a method SharedFolder(template string) (folder string, ok bool).
func SharedFolderOf(spec Spec, template string) (folder string, ok bool) {
	if s, is := spec.(interface {
		SharedFolder(template string) (folder string, ok bool)
	}); is {
		return s.SharedFolder(template)
	}
	return "", false
}

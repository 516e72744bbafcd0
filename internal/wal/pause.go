package wal

import "context"

// Paused is a log that nobody appends to, and of which nothing is checkpointed, until Resume.
type Paused struct{ log *Log }

// Pause waits for what is written at the moment.
func (l *Log) Pause(ctx context.Context) (*Paused, error) {
	if err := l.waitTurn(ctx); err != nil {
		return nil, err
	}
	l.checkpointing <- struct{}{}
	return &Paused{l}, nil
}

// Resume ends the pause.
func (p *Paused) Resume() {
	<-p.log.checkpointing
	p.log.endTurn()
}

// Unapplied returns, in their order, the entries that the store does not hold yet.
func (p *Paused) Unapplied() [][]byte { return p.log.unapplied() }

// State returns what a store is to say that holds everything.
func (p *Paused) State() State { return State{p.log.segs.lastSeq, p.log.session} }

// Checkpointed tells the log that the store holds everything.
func (p *Paused) Checkpointed() {
	l := p.log
	l.sealed, l.active = nil, nil
	l.sealedSeq, l.checkpointSeq = l.segs.lastSeq, l.segs.lastSeq
}

// Renew begins a new session, where the log is lost or no session is in use; a log that is
// lost is written anew. The store then holds everything: memory has what the log had.
func (p *Paused) Renew(lost bool) error {
	l := p.log
	if !lost && l.session != nil {
		return nil
	}
	l.sealActive()
	if err := l.endSession(); err != nil {
		return err
	}
	if lost {
		if err := l.renewFile(); err != nil {
			return err
		}
	}
	return l.beginSession()
}

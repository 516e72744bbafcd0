package rotation

import "slices"

// A record that was read from the journal has each of its words for itself.
// Sharing them is a third of the memory of a slot at rest.

// words are what the records of many slots have in common.
type words map[string]string

func share[S ~string](w words, s *S) {
	known, ok := w[string(*s)]
	if !ok {
		known = string(*s)
		w[known] = known
	}
	*s = S(known)
}

// share makes a record that nobody else has use the words seen before.
func (w words) share(r *Record) {
	share(w, &r.Key.AccountID)
	share(w, &r.Key.Type)
	r.Receipts = slices.Clone(r.Receipts) // without the room for three more
	for i := range r.Old {
		share(w, &r.Old[i].Clock.Boot)
	}
	if rot := r.Rotation; rot != nil {
		share(w, &rot.Phase)
		share(w, &rot.Strategy)
		share(w, &rot.Cause)
		share(w, &rot.Names.Account)
		share(w, &rot.Names.Instance)
	}
}

// share makes a record use the plan's words, and its own, where they are equal.
func (r *Record) share(p *Plan) {
	r.Key = p.Key
	if r.Rotation == nil {
		return
	}
	rot := *r.Rotation
	if slices.Equal(rot.Targets, p.Targets) {
		rot.Targets = p.Targets
	}
	if rot.Names.Relay == p.Relay {
		rot.Names.Relay = p.Relay
	}
	if r.Served != nil && rot.Token != nil && r.Served.RotationID == rot.Token.RotationID {
		rot.Token = r.Served
	}
	for i, rc := range r.Receipts {
		if at := slices.Index(p.Targets, rc.Target); at >= 0 {
			r.Receipts[i].Target = p.Targets[at]
		}
		if rc.RotationID == rot.ID {
			r.Receipts[i].RotationID = rot.ID
		}
	}
	r.Rotation = &rot
}

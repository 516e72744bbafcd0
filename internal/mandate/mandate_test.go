package mandate

import (
	"context"
	"errors"
	"testing"
)

func TestACallGoesByItsOwnMandateAndElseByItsProcesss(t *testing.T) {
	over, standsBy := errors.New("the term is over"), errors.New("this replica stands by")
	process := func() error { return standsBy }
	if err := Of(t.Context(), process).MayBegin(t.Context()); !errors.Is(err, standsBy) {
		t.Errorf("without one: %v", err)
	}
	if err := Of(t.Context(), nil).MayBegin(t.Context()); err != nil {
		t.Errorf("where nobody else can lead: %v", err)
	}
	ctx := With(t.Context(), Mandate{Lasts: func() error { return over }})
	if err := Of(ctx, process).MayAct(); !errors.Is(err, over) {
		t.Errorf("with its own: %v", err)
	}
}

func TestACallBeginsWithAProofThatIsAskedForAndGoesOnWithout(t *testing.T) {
	var over, unproven error
	asked := 0
	m := Mandate{Lasts: func() error { return over }, Proof: func(context.Context) error { asked++; return unproven }}
	if m.MayBegin(t.Context()) != nil || m.MayAct() != nil || asked != 1 {
		t.Errorf("%d questions for one call", asked)
	}
	unproven = errors.New("no answer")
	if err := m.MayBegin(t.Context()); !errors.Is(err, unproven) || m.MayAct() != nil {
		t.Errorf("without a proof it begins: %v, or does not go on: %v", err, m.MayAct())
	}
	unproven, over, asked = nil, errors.New("over"), 0
	if err := m.MayBegin(t.Context()); !errors.Is(err, over) || asked != 0 {
		t.Errorf("after the term: %v, %d questions", err, asked)
	}
	over = nil
	m.Proof = func(context.Context) error { over = errors.New("ended meanwhile"); return nil }
	if err := m.MayBegin(t.Context()); !errors.Is(err, over) {
		t.Errorf("a term that ended while it was proven: %v", err)
	}
}

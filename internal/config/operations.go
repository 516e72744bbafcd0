package config

import (
	"fmt"
	"strings"

	"github.com/rotatord/rotatord/internal/moq"
	"github.com/rotatord/rotatord/internal/slot"
)

// checkOperations says what is wrong with the operations of a token: a named one must have them, and
// the name of a built-in type says them.
func (v *validator) checkOperations(typ moq.TokenType, t *Token, p *path) {
	v.checkName(p)
	list := p.child("operations")
	switch {
	case v.reported[list.String()]:
		return // they could not be read
	case typ.BuiltIn():
		v.require(t.Operations == nil, list, "the operations of "+string(typ)+" are said by its name",
			"remove them, or give the token a name of its own")
		return
	case t.Operations == nil:
		v.diagnose(p, "a named token needs operations"+notBuiltIn(), meantType(typ))
		return
	}
	v.require(len(t.Operations) > 0, list, "at least one operation is needed", "[publish], [subscribe] or both")
	first := map[string]int{}
	for i, o := range t.Operations {
		at := list.item(i)
		if before, twice := first[o]; twice {
			v.diagnose(at, fmt.Sprintf("this operation already stands in entry %d", before+1), "keep one of them")
			continue
		}
		first[o] = i
		v.require(moq.IsOperation(o), at,
			"an operation is 1 to 63 characters of a-z, 0-9, _, :, . and -, and starts with a letter"+butNot(at, o), "")
	}
}

func notBuiltIn() string { return ", since it is none of " + alternatives(builtInNames()) }

// meantType is a hint for a name that may be meant for a built-in type's.
func meantType(typ moq.TokenType) string {
	if hint := didYouMean(string(typ), builtInNames()); hint != "" {
		return hint
	}
	return "for example operations: [subscribe]"
}

func builtInNames() (names []string) {
	for _, t := range moq.BuiltInTypes() {
		names = append(names, string(t))
	}
	return names
}

// operationsOf returns a token's operations; tokens with the same ones share them.
func (r *resolver) operationsOf(typ moq.TokenType, t *Token) []string {
	list := t.Operations
	if typ.BuiltIn() {
		list = typ.Operations()
	}
	key := strings.Join(list, " ")
	if known, ok := r.rights[key]; ok {
		return known
	}
	r.rights[key] = list
	return list
}

// refuseInPlace refuses strategy in_place where the rotate endpoint does not know the type.
func (r *resolver) refuseInPlace(typ moq.TokenType, scope *slotScope) {
	if typ.RotatesInPlace() {
		return
	}
	p := scope.pathOf(onToken)
	if scope.layers[onToken].Strategy != "" {
		p = p.child("strategy")
	}
	r.diagnose(p, "strategy in_place knows only "+string(moq.PublishSubscribe)+" and "+string(moq.Subscribe),
		"give this token strategy: overlap")
}

// checkMatching warns of slots that match tokens, and refuses that one matches those which may be another slot's: those
// of in_place have no label that tells.
func (r *resolver) checkMatching(plans []*slot.Plan, p *path) {
	for _, plan := range plans {
		if !plan.Matching {
			continue
		}
		r.warn(r.retirePath(plan, p), "retire: matching also revokes tokens that rotatord did not make",
			"be sure that nobody else uses tokens of this relay")
		for _, other := range plans {
			if other == plan || !moq.SameOperations(plan.Operations, other.Operations) {
				continue
			}
			r.diagnose(r.retirePath(plan, p), "retire: matching would take over tokens of "+shownSlot(other)+
				", which have the same operations", "leave it out where two tokens of a relay may do the same")
			break
		}
	}
}

// retirePath is where retire was given for a slot of the relay at p.
func (r *resolver) retirePath(plan *slot.Plan, p *path) *path {
	if token := r.cfg.Relays[plan.Relay].Tokens[plan.Key.Type]; token.Retire != "" {
		p = p.child("tokens").child(string(plan.Key.Type))
	}
	return p.child("retire")
}

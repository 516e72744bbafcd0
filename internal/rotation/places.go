package rotation

import "slices"

// places keeps something of a few places, by location. A slot has one or two of
// them: a map would take a kilobyte of each slot of a fleet.
type places[V any] []place[V]

type place[V any] struct {
	location string
	of       V
}

func (p places[V]) index(location string) int {
	return slices.IndexFunc(p, func(e place[V]) bool { return e.location == location })
}

// at gives what is kept of a place; the zero value when nothing is.
func (p places[V]) at(location string) (v V) {
	if i := p.index(location); i >= 0 {
		v = p[i].of
	}
	return v
}

func (p *places[V]) set(location string, v V) {
	*p.edit(location) = v
}

// edit gives what is kept of a place, to be changed at once.
func (p *places[V]) edit(location string) *V {
	i := p.index(location)
	if i < 0 {
		i = len(*p)
		*p = append(*p, place[V]{location: location})
	}
	return &(*p)[i].of
}

func (p *places[V]) remove(location string) {
	if i := p.index(location); i >= 0 {
		*p = slices.Delete(*p, i, i+1)
	}
}

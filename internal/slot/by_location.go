package slot

import "slices"

// ByLocation keeps something of a few locations, each once. A slot has one or two of
// them: a map would take a kilobyte of each slot of a fleet.
type ByLocation[V any] []LocationEntry[V]

// LocationEntry is what is kept of one location.
type LocationEntry[V any] struct {
	Location string
	Value    V
}

// Index returns where a location's entry is; -1 when there is none.
func (p ByLocation[V]) Index(location string) int {
	return slices.IndexFunc(p, func(e LocationEntry[V]) bool { return e.Location == location })
}

// At returns what is kept of a location; the zero value when nothing is.
func (p ByLocation[V]) At(location string) (v V) {
	if i := p.Index(location); i >= 0 {
		v = p[i].Value
	}
	return v
}

// Set keeps v of a location.
func (p *ByLocation[V]) Set(location string, v V) {
	*p.Edit(location) = v
}

// Edit returns what is kept of a location, to be changed at once.
func (p *ByLocation[V]) Edit(location string) *V {
	i := p.Index(location)
	if i < 0 {
		i = len(*p)
		*p = append(*p, LocationEntry[V]{Location: location})
	}
	return &(*p)[i].Value
}

// Remove forgets a location.
func (p *ByLocation[V]) Remove(location string) {
	if i := p.Index(location); i >= 0 {
		*p = slices.Delete(*p, i, i+1)
	}
}

package slot

// flush catches the journal up after a write that failed.
func (v *View) flush() Action {
	if !v.Seen.Unsaved {
		return Wait{}
	}
	if until := v.Seen.NextSave.Time(); v.waitsUntil(until, SaveBackoff().Longest) {
		return Wait{until}
	}
	return Save{}
}

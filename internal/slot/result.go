package slot

import "errors"

// Result is how a rotation ended; a metric label.
type Result string

// The results.
const (
	ResultSuccess    Result = "success"
	ResultFailure    Result = "failure"
	ResultSuperseded Result = "superseded"
)

// Results lists them.
func Results() []Result { return []Result{ResultSuccess, ResultFailure, ResultSuperseded} }

// ErrRecordsLost says that files that keep records were lost while they were in use.
var ErrRecordsLost = errors.New("files of the journal were lost")

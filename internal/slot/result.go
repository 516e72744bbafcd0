package slot

// Result is how a rotation ended, or that an attempt of one failed; a metric label.
type Result string

// The results.
const (
	ResultSuccess    Result = "success"
	ResultFailure    Result = "failure"
	ResultSuperseded Result = "superseded"
)

// Results lists them.
func Results() []Result { return []Result{ResultSuccess, ResultFailure, ResultSuperseded} }

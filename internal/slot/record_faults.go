package slot

import (
	"errors"

	"github.com/rotatord/rotatord/internal/fault"
)

// ErrRecordsLost says that files that keep records were lost while they were in use.
var ErrRecordsLost = errors.New("files of the journal were lost")

// RecordFault is why a store cannot keep one record, though it can keep the others: Permanent.
func RecordFault(op string, r *Record, err error) error {
	return &fault.Error{
		Class: fault.Permanent, Reason: fault.Internal, Op: op, Object: "record of slot " + r.Key.String(), Err: err,
		Hint: "this is a fault of rotatord: please report it; the other slots go on",
	}
}

package awssm

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/sinks"
)

func TestWhatAWSAdvisesIsTold(t *testing.T) {
	got := sinks.WriteAdviceOf(NewConfig())
	want := "AWS advises against writing a secret more often than once in 10 minutes"
	if got.Text != want || got.Interval != 10*time.Minute || got.Hint == "" {
		t.Errorf("got %+v", got)
	}
}

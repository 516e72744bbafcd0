package awssm

import (
	"testing"

	"github.com/rotatord/rotatord/internal/secret"
	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
)

func TestAWSSeesAsManyCallsAsCheckSays(t *testing.T) {
	server, s := start(t, nil)
	put(t, s, "moq/live", "before", "rotation-1")
	sinktest.CheckCalls(t, sinktest.CallCheck{
		Sink: s, Target: "moq/live", Content: secret.New("after"), Said: sinks.CallsOf(configFor(server)),
		Seen: func() int { return len(server.Calls()) },
	})
}

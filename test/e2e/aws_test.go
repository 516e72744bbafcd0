package e2e

import (
	"fmt"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks/awssm/awstest"
	"github.com/rotatord/rotatord/internal/slot"
	"github.com/rotatord/rotatord/test/harness"
)

// TestNothingIsMintedThatAWSWouldNotTake has a policy that no longer lets rotatord write.
func TestNothingIsMintedThatAWSWouldNotTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	aws := awstest.New(t)
	w.env = append(w.env, harness.AWSEnv()...)
	w.configure(settings{
		Sinks: fmt.Sprintf("  cloud: {type: aws_secrets_manager, region: %s, endpoint_url: \"%s\", secret_id: \"moq/{{.Relay}}\", format: raw}\n",
			awstest.Region, aws.URL),
		Defaults: "{schedule: manual, strategy: in_place, initial: now, sinks: [cloud]}",
	})
	d := w.start()
	d.untilSlot("live/subscribe", func(s slot.Status) bool { return !s.LastRotation.IsZero() })
	w.rotatord("check", "--online").Expect(t, 0, "not tried: needs a write (whether secretsmanager:PutSecretValue is allowed")

	aws.Inject(func(op, id string) *awstest.Failure {
		if op != "PutSecretValue" && op != awstest.Repeat {
			return nil
		}
		return &awstest.Failure{Code: "AccessDeniedException", Message: "not authorized to perform: secretsmanager:PutSecretValue on resource: " + id}
	})
	before, _ := aws.Value("moq/live")
	w.rotatord("rotate", "--no-wait", "live/subscribe").Expect(t, 0)
	s := d.untilSlot("live/subscribe", func(s slot.Status) bool { return s.Failure != nil })
	if s.Failure.Stage != slot.StagePreflight {
		t.Errorf("failed at step %s: %s", s.Failure.Stage, s.Failure.Message)
	}
	if after, _ := aws.Value("moq/live"); after != before || len(w.api.handedOut()) != 1 {
		t.Errorf("%d tokens were handed out: the consumers' is burnt", len(w.api.handedOut()))
	}

	aws.Inject(nil)
	w.rotatord("rotate", "live/subscribe").Expect(t, 0)
	if minted := len(w.api.handedOut()); aws.Versions("moq/live") != minted {
		t.Errorf("%d versions of %d tokens", aws.Versions("moq/live"), minted)
	}
}

package awstest

import (
	"bytes"
	"slices"
	"time"
)

const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

type secret struct {
	name, arn, kms string
	versions       map[string]*version
	tags           map[string]string
	deleted        time.Time // when it was marked; zero while it lives
	window         time.Duration
	rotator        string    // ARN of the function that AWS rotates it with
	rotates        time.Time // when next; zero: AWS does not rotate it
	stale          int       // so many reads by stage alone do not see the latest change of AWSCURRENT
}

type version struct {
	text    *string
	binary  []byte
	stages  []string
	created time.Time
}

func (v *version) hasContent(in *request) bool {
	sameText := v.text == nil && in.SecretString == nil ||
		v.text != nil && in.SecretString != nil && *v.text == *in.SecretString
	return sameText && bytes.Equal(v.binary, in.SecretBinary)
}

// addVersion makes a version; without stages it becomes the current one.
func (sec *secret) addVersion(in *request, stages []string) {
	if len(stages) == 0 {
		stages = []string{current}
	}
	sec.versions[in.ClientRequestToken] = &version{text: in.SecretString, binary: in.SecretBinary, created: time.Now()}
	for _, stage := range stages {
		sec.attachStage(stage, in.ClientRequestToken)
	}
}

// attachStage moves a staging label to a version. AWSCURRENT leaves AWSPREVIOUS behind.
func (sec *secret) attachStage(stage, id string) {
	from := sec.versionAt(stage)
	if from == id {
		return
	}
	sec.detachStage(stage)
	sec.versions[id].stages = append(sec.versions[id].stages, stage)
	if stage == current && from != "" {
		sec.detachStage(previous)
		sec.versions[from].stages = append(sec.versions[from].stages, previous)
	}
}

func (sec *secret) detachStage(stage string) {
	for _, v := range sec.versions {
		v.stages = slices.DeleteFunc(v.stages, func(s string) bool { return s == stage })
	}
}

// versionAt is the version that has the label; "" when none has.
func (sec *secret) versionAt(stage string) string {
	for id, v := range sec.versions {
		if slices.Contains(v.stages, stage) {
			return id
		}
	}
	return ""
}

// versionSeen is versionAt as a read sees it, which may be stale.
func (sec *secret) versionSeen(stage string) string {
	if before := sec.versionAt(previous); stage == current && sec.stale > 0 && before != "" {
		sec.stale--
		return before
	}
	return sec.versionAt(stage)
}

func (sec *secret) valueAnswer(versionID string) object {
	out := object{"ARN": sec.arn, "Name": sec.name}
	if v := sec.versions[versionID]; v != nil {
		out["VersionId"], out["VersionStages"] = versionID, slices.Clone(v.stages)
	}
	return out
}

func (sec *secret) addTags(tags []tag) {
	for _, t := range tags {
		sec.tags[t.Key] = t.Value
	}
}

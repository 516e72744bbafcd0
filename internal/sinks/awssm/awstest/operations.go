package awstest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
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

// request has every field that one of the operations takes.
type request struct {
	SecretID                   string `json:"SecretId"`
	Name                       string
	ClientRequestToken         string
	SecretString               *string
	SecretBinary               []byte
	VersionStages              []string
	KMSKeyID                   string `json:"KmsKeyId"`
	Tags                       []tag
	VersionID                  string `json:"VersionId"`
	VersionStage               string
	MoveToVersionID            string `json:"MoveToVersionId"`
	RemoveFromVersionID        string `json:"RemoveFromVersionId"`
	RecoveryWindowInDays       int
	ForceDeleteWithoutRecovery bool
	IncludeDeprecated          bool
	RotationLambdaARN          string
}

type tag struct{ Key, Value string }

func (in *request) secretID() string {
	if in.Name != "" {
		return in.Name
	}
	return in.SecretID
}

type object = map[string]any

func failWith(code, format string, args ...any) *Failure {
	return &Failure{Code: code, Message: fmt.Sprintf(format, args...)}
}

// completeARN is how AWS tells one from an ARN without its random end, by its look: it takes one whose secret's
// name ends like that for complete.
var completeARN = regexp.MustCompile(`^arn:.*-[A-Za-z0-9]{6}$`)

// findSecret looks a secret up by name, by ARN, or by an ARN without its random end.
func (s *Server) findSecret(id string) (*secret, *Failure) {
	for _, sec := range s.secrets {
		partial := id == sec.arn[:len(sec.arn)-7] && !completeARN.MatchString(id)
		if id == sec.name || id == sec.arn || partial {
			return sec, nil
		}
	}
	return nil, failWith("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func (s *Server) findLiving(id string) (*secret, *Failure) {
	sec, f := s.findSecret(id)
	if f == nil && !sec.deleted.IsZero() {
		return nil, failWith("InvalidRequestException",
			"You can't perform this operation on the secret because it was marked for deletion.")
	}
	return sec, f
}

var validName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)

func (s *Server) createSecret(in *request) (any, *Failure) {
	if !validName.MatchString(in.Name) {
		return nil, failWith("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if f := checkToken(in); f != nil {
		return nil, f
	}
	if old := s.secrets[in.Name]; old != nil {
		return createAgain(old, in)
	}
	sec := &secret{
		name: in.Name, kms: in.KMSKeyID, versions: map[string]*version{}, tags: map[string]string{},
		arn: fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-%s", Region, AccountID, in.Name, rand.Text()[:6]),
	}
	sec.addTags(in.Tags)
	s.secrets[in.Name] = sec
	if in.SecretString != nil || in.SecretBinary != nil {
		sec.addVersion(in, []string{current})
	}
	return sec.valueAnswer(in.ClientRequestToken), nil
}

func createAgain(old *secret, in *request) (any, *Failure) {
	if !old.deleted.IsZero() {
		return nil, failWith("InvalidRequestException",
			"You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := old.versions[in.ClientRequestToken]; v != nil && v.hasContent(in) {
		return old.valueAnswer(in.ClientRequestToken), nil
	}
	return nil, failWith("ResourceExistsException", "The operation failed because the secret %s already exists.", old.name)
}

func checkToken(in *request) *Failure {
	if n := len(in.ClientRequestToken); n < 32 || n > 64 {
		return failWith("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	if in.SecretString != nil && len(*in.SecretString) > 65536 {
		return failWith("ValidationException", "Value '%s' at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536", *in.SecretString)
	}
	return nil
}

func (s *Server) putSecretValue(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f == nil {
		f = checkToken(in)
	}
	if f != nil {
		return nil, f
	}
	if (in.SecretString == nil) == (in.SecretBinary == nil) {
		return nil, failWith("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	v := sec.versions[in.ClientRequestToken]
	if v != nil && !v.hasContent(in) {
		return nil, failWith("ResourceExistsException",
			"The operation failed because a version of the secret with that ClientRequestToken exists with other content.")
	}
	if v == nil {
		sec.addVersion(in, in.VersionStages)
	}
	return sec.valueAnswer(in.ClientRequestToken), nil
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

func (s *Server) getSecretValue(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	stage, id := in.VersionStage, in.VersionID
	if stage == "" {
		stage = current
	}
	if id == "" {
		id = sec.versionSeen(stage)
	}
	v := sec.versions[id]
	switch {
	case v == nil && in.VersionID != "":
		return nil, failWith("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	case v == nil:
		return nil, failWith("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	case in.VersionID != "" && in.VersionStage != "" && !slices.Contains(v.stages, in.VersionStage):
		return nil, failWith("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	out := sec.valueAnswer(id)
	out["CreatedDate"] = unixSeconds(v.created)
	if v.text != nil {
		out["SecretString"] = *v.text
	} else {
		out["SecretBinary"] = v.binary
	}
	return out, nil
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (s *Server) describeSecret(in *request) (any, *Failure) {
	sec, f := s.findSecret(in.SecretID)
	if f != nil {
		return nil, f
	}
	stages := map[string][]string{}
	for id, v := range sec.versions {
		if len(v.stages) > 0 {
			stages[id] = slices.Clone(v.stages)
		}
	}
	var tags []tag
	for _, k := range slices.Sorted(maps.Keys(sec.tags)) {
		tags = append(tags, tag{k, sec.tags[k]})
	}
	out := object{"ARN": sec.arn, "Name": sec.name, "Tags": tags, "VersionIdsToStages": stages}
	if sec.rotator != "" {
		out["RotationLambdaARN"], out["RotationEnabled"] = sec.rotator, !sec.rotates.IsZero()
	}
	if !sec.rotates.IsZero() {
		out["NextRotationDate"] = unixSeconds(sec.rotates)
	}
	if sec.kms != "" {
		out["KmsKeyId"] = sec.kms
	}
	if !sec.deleted.IsZero() {
		out["DeletedDate"] = unixSeconds(sec.deleted)
	}
	return out, nil
}

func (s *Server) updateSecretVersionStage(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	holder := sec.versionAt(in.VersionStage)
	switch {
	case in.MoveToVersionID != "" && sec.versions[in.MoveToVersionID] == nil:
		return nil, failWith("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	case holder != "" && holder != in.MoveToVersionID && in.RemoveFromVersionID != holder:
		return nil, failWith("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. "+
			"Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", in.VersionStage, holder)
	case in.MoveToVersionID == "" && in.VersionStage == current:
		return nil, failWith("InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case in.MoveToVersionID == "":
		sec.detachStage(in.VersionStage)
	default:
		sec.attachStage(in.VersionStage, in.MoveToVersionID)
	}
	return sec.valueAnswer(""), nil
}

func (s *Server) deleteSecret(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	if in.ForceDeleteWithoutRecovery {
		delete(s.secrets, sec.name)
		return sec.valueAnswer(""), nil
	}
	days := in.RecoveryWindowInDays
	if days == 0 {
		days = 30
	}
	if days < 7 || days > 30 {
		return nil, failWith("InvalidParameterException", "RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	sec.deleted, sec.window = time.Now(), time.Duration(days)*24*time.Hour
	out := sec.valueAnswer("")
	out["DeletionDate"] = unixSeconds(sec.deleted.Add(sec.window))
	return out, nil
}

func (s *Server) restoreSecret(in *request) (any, *Failure) {
	sec, f := s.findSecret(in.SecretID)
	if f != nil {
		return nil, f
	}
	sec.deleted = time.Time{}
	return sec.valueAnswer(""), nil
}

func (s *Server) listSecretVersionIDs(in *request) (any, *Failure) {
	sec, f := s.findSecret(in.SecretID)
	if f != nil {
		return nil, f
	}
	versions := []object{}
	for _, id := range slices.Sorted(maps.Keys(sec.versions)) {
		if v := sec.versions[id]; in.IncludeDeprecated || len(v.stages) > 0 {
			versions = append(versions, object{"VersionId": id, "VersionStages": slices.Clone(v.stages), "CreatedDate": unixSeconds(v.created)})
		}
	}
	out := sec.valueAnswer("")
	out["Versions"] = versions
	return out, nil
}

// rotateSecret has AWS rotate the secret every month; here, no function is run.
func (s *Server) rotateSecret(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	if in.RotationLambdaARN == "" {
		return nil, failWith("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
	}
	sec.rotator, sec.rotates = in.RotationLambdaARN, time.Now().AddDate(0, 1, 0)
	return sec.valueAnswer(""), nil
}

func (s *Server) cancelRotateSecret(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	sec.rotates = time.Time{}
	return sec.valueAnswer(""), nil
}

func (s *Server) tagResource(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	sec.addTags(in.Tags)
	return object{}, nil
}

func (sec *secret) addTags(tags []tag) {
	for _, t := range tags {
		sec.tags[t.Key] = t.Value
	}
}

// Value returns the current value as a consumer reads it. A secret that is marked
// for deletion, or holds bytes, has none.
func (s *Server) Value(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, f := s.findLiving(id)
	if f != nil {
		return "", false
	}
	v := sec.versions[sec.versionAt(current)]
	if v == nil || v.text == nil {
		return "", false
	}
	return *v.text, true
}

// Lag has the next n reads of a secret by stage alone answer what was current before.
func (s *Server) Lag(id string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec, f := s.findSecret(id); f == nil {
		sec.stale = n
	}
}

// Versions counts a secret's versions, those without a label included.
func (s *Server) Versions(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, f := s.findSecret(id)
	if f != nil {
		return 0
	}
	return len(sec.versions)
}

// Make makes a secret that has no value yet.
func (s *Server) Make(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.createSecret(&request{Name: id, ClientRequestToken: strings.ToLower(rand.Text() + rand.Text())[:32]})
}

// Put makes value the current one under a token of its own, as somebody else would.
func (s *Server) Put(id, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := &request{Name: id, SecretID: id, ClientRequestToken: strings.ToLower(rand.Text() + rand.Text()), SecretString: &value}
	in.ClientRequestToken = in.ClientRequestToken[:32]
	if _, f := s.putSecretValue(in); f != nil {
		_, _ = s.createSecret(in)
	}
}

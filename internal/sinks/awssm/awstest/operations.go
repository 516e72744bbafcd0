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

func (in *request) id() string {
	if in.Name != "" {
		return in.Name
	}
	return in.SecretID
}

type object = map[string]any

func fail(code, format string, args ...any) *Failure {
	return &Failure{Code: code, Message: fmt.Sprintf(format, args...)}
}

// completeARN is how AWS tells one from an ARN without its random end, by its look: it takes one whose secret's
// name ends like that for complete.
var completeARN = regexp.MustCompile(`^arn:.*-[A-Za-z0-9]{6}$`)

// find looks a secret up by name, by ARN, or by an ARN without its random end.
func (s *Server) find(id string) (*secret, *Failure) {
	for _, sec := range s.secrets {
		partial := id == sec.arn[:len(sec.arn)-7] && !completeARN.MatchString(id)
		if id == sec.name || id == sec.arn || partial {
			return sec, nil
		}
	}
	return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func (s *Server) findLiving(id string) (*secret, *Failure) {
	sec, f := s.find(id)
	if f == nil && !sec.deleted.IsZero() {
		return nil, fail("InvalidRequestException",
			"You can't perform this operation on the secret because it was marked for deletion.")
	}
	return sec, f
}

var validName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)

func (s *Server) createSecret(in *request) (any, *Failure) {
	if !validName.MatchString(in.Name) {
		return nil, fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
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
	sec.tag(in.Tags)
	s.secrets[in.Name] = sec
	if in.SecretString != nil || in.SecretBinary != nil {
		sec.add(in, []string{current})
	}
	return sec.answer(in.ClientRequestToken), nil
}

func createAgain(old *secret, in *request) (any, *Failure) {
	if !old.deleted.IsZero() {
		return nil, fail("InvalidRequestException",
			"You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	if v := old.versions[in.ClientRequestToken]; v != nil && v.holds(in) {
		return old.answer(in.ClientRequestToken), nil
	}
	return nil, fail("ResourceExistsException", "The operation failed because the secret %s already exists.", old.name)
}

func checkToken(in *request) *Failure {
	if n := len(in.ClientRequestToken); n < 32 || n > 64 {
		return fail("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	if in.SecretString != nil && len(*in.SecretString) > 65536 {
		return fail("ValidationException", "Value '%s' at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536", *in.SecretString)
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
		return nil, fail("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	}
	v := sec.versions[in.ClientRequestToken]
	if v != nil && !v.holds(in) {
		return nil, fail("ResourceExistsException",
			"The operation failed because a version of the secret with that ClientRequestToken exists with other content.")
	}
	if v == nil {
		sec.add(in, in.VersionStages)
	}
	return sec.answer(in.ClientRequestToken), nil
}

func (v *version) holds(in *request) bool {
	sameText := v.text == nil && in.SecretString == nil ||
		v.text != nil && in.SecretString != nil && *v.text == *in.SecretString
	return sameText && bytes.Equal(v.binary, in.SecretBinary)
}

// add makes a version; without stages it becomes the current one.
func (sec *secret) add(in *request, stages []string) {
	if len(stages) == 0 {
		stages = []string{current}
	}
	sec.versions[in.ClientRequestToken] = &version{text: in.SecretString, binary: in.SecretBinary, created: time.Now()}
	for _, stage := range stages {
		sec.attach(stage, in.ClientRequestToken)
	}
}

// attach moves a staging label to a version. AWSCURRENT leaves AWSPREVIOUS behind.
func (sec *secret) attach(stage, id string) {
	from := sec.staged(stage)
	if from == id {
		return
	}
	sec.detach(stage)
	sec.versions[id].stages = append(sec.versions[id].stages, stage)
	if stage == current && from != "" {
		sec.detach(previous)
		sec.versions[from].stages = append(sec.versions[from].stages, previous)
	}
}

func (sec *secret) detach(stage string) {
	for _, v := range sec.versions {
		v.stages = slices.DeleteFunc(v.stages, func(s string) bool { return s == stage })
	}
}

// staged is the version that has the label; "" when none has.
func (sec *secret) staged(stage string) string {
	for id, v := range sec.versions {
		if slices.Contains(v.stages, stage) {
			return id
		}
	}
	return ""
}

// seen is staged as a read sees it, which may be stale.
func (sec *secret) seen(stage string) string {
	if before := sec.staged(previous); stage == current && sec.stale > 0 && before != "" {
		sec.stale--
		return before
	}
	return sec.staged(stage)
}

func (sec *secret) answer(versionID string) object {
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
		id = sec.seen(stage)
	}
	v := sec.versions[id]
	switch {
	case v == nil && in.VersionID != "":
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	case v == nil:
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	case in.VersionID != "" && in.VersionStage != "" && !slices.Contains(v.stages, in.VersionStage):
		return nil, fail("InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	}
	out := sec.answer(id)
	out["CreatedDate"] = epoch(v.created)
	if v.text != nil {
		out["SecretString"] = *v.text
	} else {
		out["SecretBinary"] = v.binary
	}
	return out, nil
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (s *Server) describeSecret(in *request) (any, *Failure) {
	sec, f := s.find(in.SecretID)
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
		out["NextRotationDate"] = epoch(sec.rotates)
	}
	if sec.kms != "" {
		out["KmsKeyId"] = sec.kms
	}
	if !sec.deleted.IsZero() {
		out["DeletedDate"] = epoch(sec.deleted)
	}
	return out, nil
}

func (s *Server) updateSecretVersionStage(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	holder := sec.staged(in.VersionStage)
	switch {
	case in.MoveToVersionID != "" && sec.versions[in.MoveToVersionID] == nil:
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	case holder != "" && holder != in.MoveToVersionID && in.RemoveFromVersionID != holder:
		return nil, fail("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. "+
			"Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", in.VersionStage, holder)
	case in.MoveToVersionID == "" && in.VersionStage == current:
		return nil, fail("InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case in.MoveToVersionID == "":
		sec.detach(in.VersionStage)
	default:
		sec.attach(in.VersionStage, in.MoveToVersionID)
	}
	return sec.answer(""), nil
}

func (s *Server) deleteSecret(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	if in.ForceDeleteWithoutRecovery {
		delete(s.secrets, sec.name)
		return sec.answer(""), nil
	}
	days := in.RecoveryWindowInDays
	if days == 0 {
		days = 30
	}
	if days < 7 || days > 30 {
		return nil, fail("InvalidParameterException", "RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	sec.deleted, sec.window = time.Now(), time.Duration(days)*24*time.Hour
	out := sec.answer("")
	out["DeletionDate"] = epoch(sec.deleted.Add(sec.window))
	return out, nil
}

func (s *Server) restoreSecret(in *request) (any, *Failure) {
	sec, f := s.find(in.SecretID)
	if f != nil {
		return nil, f
	}
	sec.deleted = time.Time{}
	return sec.answer(""), nil
}

func (s *Server) listSecretVersionIDs(in *request) (any, *Failure) {
	sec, f := s.find(in.SecretID)
	if f != nil {
		return nil, f
	}
	versions := []object{}
	for _, id := range slices.Sorted(maps.Keys(sec.versions)) {
		if v := sec.versions[id]; in.IncludeDeprecated || len(v.stages) > 0 {
			versions = append(versions, object{"VersionId": id, "VersionStages": slices.Clone(v.stages), "CreatedDate": epoch(v.created)})
		}
	}
	out := sec.answer("")
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
		return nil, fail("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.")
	}
	sec.rotator, sec.rotates = in.RotationLambdaARN, time.Now().AddDate(0, 1, 0)
	return sec.answer(""), nil
}

func (s *Server) cancelRotateSecret(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	sec.rotates = time.Time{}
	return sec.answer(""), nil
}

func (s *Server) tagResource(in *request) (any, *Failure) {
	sec, f := s.findLiving(in.SecretID)
	if f != nil {
		return nil, f
	}
	sec.tag(in.Tags)
	return object{}, nil
}

func (sec *secret) tag(tags []tag) {
	for _, t := range tags {
		sec.tags[t.Key] = t.Value
	}
}

// Value gives the current value as a consumer reads it. A secret that is marked
// for deletion, or holds bytes, has none.
func (s *Server) Value(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, f := s.findLiving(id)
	if f != nil {
		return "", false
	}
	v := sec.versions[sec.staged(current)]
	if v == nil || v.text == nil {
		return "", false
	}
	return *v.text, true
}

// Lag has the next n reads of a secret by stage alone answer what was current before.
func (s *Server) Lag(id string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sec, f := s.find(id); f == nil {
		sec.stale = n
	}
}

// Versions counts a secret's versions, those without a label included.
func (s *Server) Versions(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	sec, f := s.find(id)
	if f != nil {
		return 0
	}
	return len(sec.versions)
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

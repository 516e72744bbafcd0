package awstest

import (
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
)

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

package awssm

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/internal/sinks"
	"github.com/rotatord/rotatord/internal/sinks/sinktest"
	"github.com/rotatord/rotatord/internal/transport"
)

// seedLies adds what AWS answers in turn, and what it had better not: JSON of Secrets Manager, XML of STS.
func seedLies(f *testing.F) {
	const described = `{"ARN":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-abcdef","Name":"a","VersionIdsToStages":{"v":["AWSCURRENT"]}}`
	const held, put = `{"ARN":"a","SecretString":"x","VersionId":"v","VersionStages":["AWSCURRENT"]}`, `{"ARN":"a","VersionId":"v","VersionStages":["AWSCURRENT"]}`
	const role = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s</SecretAccessKey>` +
		`<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	for i, answers := range [][]string{
		{described, held, put}, {role, described, held, put}, {""}, {"null"}, {"[]"}, {"{"}, {"{}"}, {"<html>"}, {strings.Repeat("[", 5000)}, {described, `{"SecretString":7}`},
		{described, `{"SecretBinary":"!!"}`}, {described, `{"VersionStages":{}}`}, {described, `{"VersionStages":[null]}`}, {`{"DeletedDate":1e99}`}, {`{"DeletedDate":"x"}`}, {`{"DeletedDate":-1}`},
		{`{"VersionIdsToStages":{"v":null,"w":["AWSCURRENT"],"w":["AWSCURRENT"]}}`}, {`{"OwningService":"\u001b[2J\nx"}`}, {`{"ARN":"../../x","PrimaryRegion":"\u202e"}`},
		{`{"RotationEnabled":true,"RotationRules":{"AutomaticallyAfterDays":9e18}}`}, {`{"NextRotationDate":9223372036854775807}`}, {described, held, `{"VersionStages":[]}`, described},
		{`{"__type":"ResourceNotFoundException","message":"\u001b]0;x\u0007"}`}, {`{"__type":"InvalidRequestException","Message":"marked for deletion"}`}, {`{"__type":7}`}, {`{"__type":"a#b:c","message":{}}`},
		{`{"__type":"ThrottlingException"}`}, {`{"__type":"ResourceExistsException"}`}, {`{"__type":"ValidationException","message":"Value '7f3a9c=.sig_-nature' at 'x' failed 7f3a9c=.sig_-nature"}`},
		{`<ErrorResponse><Error><Code>AccessDenied</Code><Message>no &#27;[2J</Message></Error></ErrorResponse>`}, {strings.Repeat("<a>", 3000)}, {`<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>`},
		{`<AssumeRoleResponse><AssumeRoleResult><Credentials><Expiration>9999-99-99</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`},
		{`<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>&#10;</AccessKeyId><SecretAccessKey/></Credentials></AssumeRoleResult></AssumeRoleResponse>`, described},
		{`<!DOCTYPE a [<!ENTITY b "x">]><AssumeRoleResponse>&b;</AssumeRoleResponse>`},
	} {
		for _, status := range []uint16{200, 204, 302, 400, 403, 404, 429, 500, 503} {
			f.Add(status-200, uint8(i), status&1 == 1, status == 200, "", []byte(strings.Join(answers, "\x1e")))
		}
	}
	f.Add(uint16(229), uint8(0), false, false, "99999999999999999999", []byte(described))
	f.Add(uint16(303), uint8(1), true, true, "Fri, 31 Dec 9999 23:59:59 GMT", []byte(role))
}

// FuzzAnswers: nothing that answers for AWS makes rotatord panic, go on for ever, or say what is unfit to be shown.
func FuzzAnswers(f *testing.F) {
	seedLies(f)
	for k, v := range environment("https://sts.example", f.TempDir()) {
		f.Setenv(k, v)
	}
	plain := map[bool]*sink{false: lyingSink(f, false, false), true: lyingSink(f, true, false)}
	f.Fuzz(func(t *testing.T, status uint16, call uint8, create, role bool, retryAfter string, text []byte) {
		s := plain[create]
		if role { // it keeps the credentials that it is given
			s = lyingSink(t, create, true)
		}
		s.wire.http = &http.Client{Transport: &transport.Redirects{Next: sinktest.Lie(status, retryAfter, text), Hint: redirectHint}}
		r := &renewed{name: "a"}
		r.inUse.Store(s)
		sinktest.CallLying(t, sinks.Decorate("a", Type, r, 0, nil), "moq/a", call)
	})
}

func lyingSink(t testing.TB, create, role bool) *sink {
	c := NewConfig()
	c.Region, c.EndpointURL, c.SecretID, c.Create = "eu-west-1", "https://aws.example", "moq/a", create
	if role {
		c.RoleARN = "arn:aws:iam::123456789012:role/rotatord"
	}
	s, err := c.open(t.Context(), sinks.OpenOptions{Name: "a", Logins: sinks.NewLogins()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

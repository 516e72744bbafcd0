package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Monitoring is what a Prometheus is to do.
type Monitoring struct {
	Interval time.Duration       // of scrapes, and of rules that have none of their own; 0: 200 ms
	Jobs     map[string][]string // the addresses that each job scrapes at /metrics
	Rules    []string            // paths of rule files
	Itself   string              // the job by which it scrapes itself; "": none
	User     *url.Userinfo       // that scrapes log in as; nil: nobody
	// NativeHistograms has it take in these, in place of the classic buckets.
	NativeHistograms bool
}

// Prometheus is a real one, with a folder and a port of loopback of its own.
type Prometheus struct {
	URL string
	t   testing.TB
}

// StartPrometheus starts Debian's Prometheus, and returns when it is ready. It is killed when the test ends. Where it is
// not installed the test is skipped, or fails with CI=true.
func (l Launcher) StartPrometheus(t testing.TB, m Monitoring) *Prometheus {
	t.Helper()
	program := NeedTool(t, "prometheus")
	dir := t.TempDir()
	config, address, output := filepath.Join(dir, "prometheus.yaml"), FreeAddress(t), filepath.Join(dir, "output")
	Check(t, os.WriteFile(config, m.config(t, address), 0o600))
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--scrape.discovery-reload-interval=100ms", "--log.level=warn")
	if m.NativeHistograms {
		cmd.Args = append(cmd.Args, "--enable-feature=native-histograms")
	}
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = Must[*os.File](t)(os.Create(output))
	process := l.Start(t, cmd)
	p := &Prometheus{"http://" + address, t}
	Eventually(t, time.Minute, "waiting for Prometheus", func() error {
		if process.State() != nil {
			text, _ := os.ReadFile(output)
			t.Fatalf("Prometheus ended:\n%s", text)
		}
		return p.ready()
	})
	return p
}

// FreeAddress returns an address of loopback where nobody listens at the moment.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, release := HoldAddress(t)
	release()
	return address
}

// HoldAddress returns an address of loopback that nobody else can listen at until it is released. Its port is below those
// that the kernel gives to connections, so that none of these takes it while who is to listen there is down.
func HoldAddress(t testing.TB) (address string, release func()) {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(20000)))
		if err != nil {
			continue // somebody listens there
		}
		release = func() { _ = l.Close() }
		t.Cleanup(release)
		return l.Addr().String(), release
	}
	t.Fatal("no address of loopback is free")
	return "", nil
}

// config returns the configuration file of the Prometheus at an address. JSON is YAML.
func (m Monitoring) config(t testing.TB, address string) []byte {
	t.Helper()
	interval := "200ms"
	if m.Interval > 0 {
		interval = fmt.Sprintf("%dms", m.Interval.Milliseconds())
	}
	return Must[[]byte](t)(json.Marshal(map[string]any{
		"global": map[string]any{
			"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval,
		},
		"rule_files": m.Rules, "scrape_configs": m.scrapes(address),
	}))
}

// scrapes returns what is scraped, and how, by the Prometheus at an address.
func (m Monitoring) scrapes(address string) []map[string]any {
	all := map[string][]string{}
	maps.Copy(all, m.Jobs)
	if m.Itself != "" {
		all[m.Itself] = []string{address}
	}
	jobs := []map[string]any{}
	for name, addresses := range all {
		job := map[string]any{"job_name": name, "static_configs": []map[string]any{{"targets": addresses}}}
		if m.User != nil {
			password, _ := m.User.Password()
			job["basic_auth"] = map[string]any{"username": m.User.Username(), "password": password}
		}
		jobs = append(jobs, job)
	}
	return jobs
}

func (p *Prometheus) ready() error {
	status, body, err := p.ask("/-/ready", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, body)
	}
	return err
}

func (p *Prometheus) ask(path string, query url.Values) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return 0, "", err
	}
	return Answer(http.DefaultClient.Do(req))
}

// Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// UnmarshalJSON reads what Prometheus answers: Unix seconds, and the value as text.
func (p *Point) UnmarshalJSON(text []byte) (err error) {
	var seconds float64
	var value string
	if err := json.Unmarshal(text, &[]any{&seconds, &value}); err != nil {
		return err
	}
	p.Time = time.UnixMilli(int64(seconds * 1000))
	p.Value, err = strconv.ParseFloat(value, 64)
	return err
}

// Series is one series of an answer: a single point of an instant query, the points of a range query.
type Series struct {
	Labels map[string]string `json:"metric"`
	Value  Point             `json:"value"`
	Values []Point           `json:"values"`
	// Histograms are points that are native histograms, as Prometheus writes them.
	Histograms []json.RawMessage `json:"histograms"`
}

// Query asks for an expression's value now, which is a vector or a scalar (a series without labels).
func (p *Prometheus) Query(expr string) ([]Series, error) {
	return p.query("/api/v1/query", url.Values{"query": {expr}})
}

// QueryRange asks for an expression's values from start to end.
func (p *Prometheus) QueryRange(expr string, start, end time.Time, step time.Duration) ([]Series, error) {
	return p.query("/api/v1/query_range", url.Values{
		"query": {expr}, "start": {start.Format(time.RFC3339Nano)}, "end": {end.Format(time.RFC3339Nano)},
		"step": {fmt.Sprint(step.Seconds())},
	})
}

func (p *Prometheus) query(path string, query url.Values) ([]Series, error) {
	var data struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := p.Get(path, query, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", query.Get("query"), err)
	}
	if data.Type == "scalar" {
		var value Point
		err := json.Unmarshal(data.Result, &value)
		return []Series{{Value: value}}, err
	}
	var series []Series
	err := json.Unmarshal(data.Result, &series)
	return series, err
}

// Get asks the HTTP API, and reads the data of its answer.
func (p *Prometheus) Get(path string, query url.Values, data any) error {
	_, body, err := p.ask(path, query)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(strings.NewReader(body)).Decode(&answer); err != nil {
		return fmt.Errorf("%q: %w", body, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("Prometheus refuses: %s", answer.Error)
	}
	return nil
}

// Alert is one that is pending or fires.
type Alert struct {
	Labels, Annotations map[string]string
	State               string // pending, firing
}

// Alerts returns those of now.
func (p *Prometheus) Alerts() ([]Alert, error) {
	var data struct{ Alerts []Alert }
	err := p.Get("/api/v1/alerts", nil, &data)
	return data.Alerts, err
}

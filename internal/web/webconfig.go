package web

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v2"
)

// webConfig is the file that server.web_config_file names, in the exporter-toolkit's words. It is read again
// whenever it is needed, so that a user or a certificate that was changed counts at once; a
// change that is wrong changes nothing. It is safe for concurrent use.
type webConfig struct {
	path string // "" for no file
	log  *zap.Logger

	mu      sync.Mutex
	content []byte          // of the file, which current was read from
	current *toolkit.Config // never nil
	tls     *tls.Config     // as it was when it last could be read; nil: no TLS

	wrong, wrongTLS string // what was last told of a file, and of certificates, that cannot be used
}

// openWebConfig reads the file for the first time, when its faults are errors.
func openWebConfig(path string, log *zap.Logger) (*webConfig, error) {
	c := &webConfig{path: path, log: log, current: &toolkit.Config{}}
	if path == "" {
		return c, nil
	}
	err := c.read()
	if err == nil && c.current.TLSConfig.IsEnabled() {
		c.tls, err = tlsConfigOf(c.current)
	}
	if err != nil {
		return nil, fmt.Errorf("server.web_config_file %s: %w", path, err)
	}
	return c, nil
}

// CheckConfigFile reads a web configuration, with the certificates that it names, and says why it cannot be served by;
// none is no error.
func CheckConfigFile(path string) error {
	_, err := openWebConfig(path, zap.NewNop())
	return err
}

// get returns the configuration in force.
func (c *webConfig) get() *toolkit.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path != "" {
		c.tell(c.read(), &c.wrong)
	}
	return c.current
}

// read reads the file, unless it is as it was. c.mu is held, or nobody else knows c.
func (c *webConfig) read() error {
	content, err := os.ReadFile(c.path)
	if err != nil || c.content != nil && bytes.Equal(content, c.content) {
		return err
	}
	next, err := parseWebConfig(content, filepath.Dir(c.path))
	if err == nil {
		err = toolkit.Validate(c.path)
	}
	if err != nil {
		return err
	}
	if again, err := os.ReadFile(c.path); err != nil || !bytes.Equal(again, content) {
		return errors.Join(err, errors.New("it was changed while it was read"))
	}
	c.content, c.current = content, next
	return nil
}

// parseWebConfig reads the file as the toolkit does, which keeps its own reading to itself.
func parseWebConfig(content []byte, folder string) (*toolkit.Config, error) {
	c := &toolkit.Config{
		TLSConfig:  toolkit.TLSConfig{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13},
		HTTPConfig: toolkit.HTTPConfig{HTTP2: true},
	}
	if err := yaml.UnmarshalStrict(content, c); err != nil {
		return nil, err
	}
	c.TLSConfig.SetDirectory(folder)
	return c, nil
}

// tell logs that the file, or what it names, cannot be used, unless that was the last told. c.mu is held.
func (c *webConfig) tell(err error, last *string) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != *last {
		c.log.Error("server.web_config_file cannot be used as it is; what was read before stays in force",
			zap.String("file", c.path), zap.Error(err))
	}
	*last = text
}

// forClient returns the TLS configuration for a new connection: certificates and authorities are
// read again, and where they cannot be, those that were read before stay in use.
func (c *webConfig) forClient(*tls.ClientHelloInfo) (*tls.Config, error) {
	config := c.get()
	next, err := tlsConfigOf(config)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(err, &c.wrongTLS)
	if err == nil {
		c.tls = next
	}
	return c.tls, nil
}

// tlsConfigOf makes the TLS configuration that a file asks for, with the certificates as they are now.
func tlsConfigOf(c *toolkit.Config) (*tls.Config, error) {
	config, err := toolkit.ConfigToTLSConfig(&c.TLSConfig)
	if err != nil {
		return nil, err
	}
	cert, err := config.GetCertificate(nil)
	if err != nil {
		return nil, err
	}
	config.Certificates, config.GetCertificate = []tls.Certificate{*cert}, nil
	config.NextProtos = []string{"http/1.1"}
	if c.HTTPConfig.HTTP2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	return config, nil
}

// certificate is the one that a client is shown now; nil without TLS.
func (c *webConfig) certificate() *tls.Certificate {
	if c == nil || !c.hasTLS() {
		return nil
	}
	shown, err := c.forClient(nil)
	if err != nil {
		return nil
	}
	return &shown.Certificates[0]
}

func (c *webConfig) hasTLS() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tls != nil
}

// setOwnHeaders sets the headers that the file asks for.
func (c *webConfig) setOwnHeaders(h http.Header) {
	for name, value := range c.get().HTTPConfig.Header {
		h.Set(name, value)
	}
}

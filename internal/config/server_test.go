package config

import (
	"strings"
	"testing"
)

// What check accepts can be bound, as far as the file shows it.
func TestWhatCanNeverBeBoundIsRefused(t *testing.T) {
	folder := func(n int) string { return "/" + strings.Repeat("d", n-1) }
	for key, cases := range map[string]struct{ good, bad map[string]string }{
		"listen": {
			good: map[string]string{
				"127.0.0.1:9476": "", ":9476": "", "0.0.0.0:0": "", "[::1]:1": "", "[::]:65535": "", "[fe80::1%eth0]:1": "",
				"localhost:1": "", "my_host.example.:1": "", "a-1:1": "", "[::ffff:127.0.0.1]:1": "", "127.0.0.1:00080": "",
			},
			bad: map[string]string{
				"9476": "host:port", "127.0.0.1": "host:port", "::1:9476": "brackets", "http://127.0.0.1:9476": "host:port",
				"127.0.0.1:": "65535", "127.0.0.1:http": "65535", "127.0.0.1:65536": "65535", "127.0.0.1:-1": "65535", "127.0.0.1:0x50": "65535", "127.0.0.1:+80": "65535",
				"*:80": ":80", "256.1.1.1:1": "neither", "127.1:1": "neither", "0:1": "neither", " 127.0.0.1:1": "neither", "a b:1": "neither",
				"-a:1": "neither", "a..b:1": "neither", "\u00e9:1": "neither", "[1::2::3]:1": "neither", "[fe80::1%]:1": "neither", "127.0.0.1%lo:1": "neither",
				strings.Repeat("a", 64) + ":1": "neither", strings.Repeat("a.", 130) + "a:1": "neither",
				"224.0.0.1:1": "many", "[ff02::1]:1": "many", "[::ffff:224.0.0.1]:1": "many", "255.255.255.255:1": "many", "[fe80::1]:1": "zone",
			},
		},
		"admin_socket": {
			good: map[string]string{
				"/run/rotatord/admin.sock": "", "/s": "", folder(95) + "/s": "", folder(95) + "/12345678901": "", "/a/../b": "", "/a b": "",
				"relative": "warned",
			},
			bad: map[string]string{
				"": "107", folder(96) + "/s": "95", folder(96) + "/1234567890": "95", folder(95) + "/123456789012": "107",
				"@abstract": "abstract", "@": "abstract", "/run/": "folder", "/": "folder", ".": "folder", "/run/..": "folder", "/run/.": "folder", "/a\\0b": "NUL",
			},
		},
		"admin_socket_mode":  {good: map[string]string{"0660": "", "600": ""}, bad: map[string]string{"1777": "octal", "-1": "octal", "rw": "octal", "": "octal", "0666": "lets everybody", "0602": "lets everybody", "0777": "lets everybody"}},
		"admin_socket_group": {good: map[string]string{"0": "warned", "4294967294": "warned", "wheel": "warned"}, bad: map[string]string{"-1": "id", "4294967295": "id"}},
	} {
		for value, warned := range cases.good {
			cfg := parse(t, base+"server: {"+key+`: "`+value+"\"}\n")
			if (len(besideUnused(cfg)) > 0) != (warned != "") {
				t.Errorf("%s %q: warnings %v", key, value, besideUnused(cfg))
			}
		}
		for value, why := range cases.bad {
			text := diagnosticsOf(t, base+"server: {"+key+`: "`+value+"\"}\n")
			if !strings.Contains(text, ": server."+key+": ") || !strings.Contains(text, why) {
				t.Errorf("%s %q: %s, want one about %s", key, value, text, why)
			}
		}
	}
}

func TestAGroupThatMayNotWriteToTheSocketIsWarnedOf(t *testing.T) {
	for mode, warned := range map[string]bool{"0600": true, "0640": true, "0660": false, "0770": false} {
		cfg := parse(t, base+`server: {admin_socket_group: operators, admin_socket_mode: "`+mode+"\"}\n")
		if got := besideUnused(cfg).Error(); (got != "") != warned || warned && !strings.Contains(got, `such as "0660"`) {
			t.Errorf("%s: %q", mode, got)
		}
	}
}

func TestAnAdminSocketForEverybodyIsWantedInSoManyWords(t *testing.T) {
	if parse(t, base+"server: {admin_socket_mode: '0666', insecure: true}\n").Server.AdminSocketMode != "0666" {
		t.Error("it is not taken")
	}
	parse(t, base+"server: {admin_socket_mode: '0664'}\n") // who may only read a socket cannot use it
}

func TestAnAddressOfTheAPIIsOne(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://api.example/v4": true, "https://api.example:65535": true, "http://127.0.0.1:8080": true, "http://[::1]": true,
		"https://api.example:65536": false, "https://api.example:0": false, "https://:443": false, "https://api.example?": false,
		"https://api.example#": false, "https://me@api.example": false, "http://api.example": false,
	} {
		text := change(t, "api_token:", "api_url: '"+address+"', api_token:")
		if _, err := Parse("config.yaml", []byte(text), fakeSpecs()); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

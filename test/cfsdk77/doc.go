// Package cfsdk77 checks the rotate call against the last client of Cloudflare's
// own that had it, cloudflare-go v7.7.0. It is a module of its own because the
// main module needs a newer version.
package cfsdk77

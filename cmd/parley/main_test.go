package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/udp"
)

func runCommand(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, &o, &e)
	return status, o.String(), e.String()
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"-h"}, {"--help"}} {
		status, out, _ := runCommand(t, args...)
		for _, c := range commands() {
			if status != 0 || !strings.Contains(out, "parley "+c.name) || !strings.Contains(out, c.summary) {
				t.Errorf("%q: status %d, and no word of %s:\n%s", args, status, c.name, out)
			}
		}
	}
	for _, c := range commands() {
		if status, out, _ := runCommand(t, "help", c.name); status != 0 || !strings.Contains(out, "usage: parley "+c.name) {
			t.Errorf("help %s: status %d:\n%s", c.name, status, out)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"dance"}, {"help", "dance"}, {"key"}, {"key", "a", "b"}, {"ping"}, {"ping", "-transport", "pigeon", "x:1"}, {"ping", "-loud"}, {"version", "now"}} {
		if status, out, errOut := runCommand(t, args...); status != 2 || out != "" || errOut == "" {
			t.Errorf("%q: status %d, out %q, err %q; want 2, nothing, and what is wrong", args, status, out, errOut)
		}
	}
}

func TestKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.key")
	_, first, _ := runCommand(t, "key", file)
	status, second, _ := runCommand(t, "key", file)
	if status != 0 || first == "" || first != second {
		t.Errorf("a key was made as\n%sand read as\n%swith status %d", first, second, status)
	}
	if status, _, errOut := runCommand(t, "key", t.TempDir()); status != 1 || errOut == "" {
		t.Errorf("a folder as key file: status %d, %q", status, errOut)
	}
}

func TestPing(t *testing.T) {
	ln, err := udp.New(udp.Config{}).Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		if conn, err := ln.Accept(context.Background()); err == nil {
			_ = conn.Close(core.CodeNormal, "")
		}
	}()
	status, out, errOut := runCommand(t, "ping", parley.Address(ln))
	<-accepted
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if status != 0 || !strings.Contains(out, "answers over udp") || !strings.Contains(out, ln.(core.Pinner).Pin()) {
		t.Errorf("status %d, out %q, err %q", status, out, errOut)
	}
	if status, _, errOut := runCommand(t, "ping", "-timeout", "3s", ln.Addr().String()); status != 1 || !strings.Contains(errOut, "refused") {
		t.Errorf("ping to nobody: status %d, %q", status, errOut)
	}
}

package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/sink/file"
)

// TestMain lets the test program be the game itself, as a process that can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("KNIGHTS_PLAY") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// launch runs the program as a process of its own; it is killed when the test is
// over.
func launch(t *testing.T, args ...string) (*person, *os.Process) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, keys := io.Pipe()
	p := &person{t: t, keys: keys, done: make(chan error, 1), stop: func() {}, wrote: make(chan struct{}, 1)}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "KNIGHTS_PLAY=1")
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- cmd.Wait(); in.Close() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		if t.Failed() {
			t.Logf("output of %q:\n%s", args, p.all())
		}
	})
	return p, cmd.Process
}

// purse returns how much gold a knight has in the newest snapshot, or -1.
func purse(t *testing.T, dir, name string) int64 {
	t.Helper()
	store, err := file.Open(file.Config{Dir: dir, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	defer store.Close(ctx)
	names, err := store.Matches(ctx)
	if err != nil || len(names) != 1 {
		t.Fatalf("the store has %q: %v", names, err)
	}
	snap, err := store.Latest(ctx, names[0])
	if err != nil {
		t.Fatal(err)
	}
	for o := range snap.Objects {
		fields := make(map[string]any)
		for _, f := range o.Fields {
			fields[f.Name] = f.Value
		}
		if o.Class == "Knight" && fields["Name"] == name {
			return fields["Gold"].(int64)
		}
	}
	return -1
}

// TestKill kills the server in the middle of a battle, and the battle goes on.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	matches := filepath.Join(dir, "matches")
	server := []string{"server", "-addr", "127.0.0.1:0", "-key", filepath.Join(dir, "key"), "-players", "1", "-length", "10m", "-store", "file:" + matches}

	srv, process := launch(t, server...)
	addr := srv.sees(`'(127\.0\.0\.1:\d+#\w+)'\n`)[1]
	ann := start(t, "join", "-name", "Ann", addr)
	ann.types("ready")
	ann.sees("The horns sound!\n")
	ann.types("hunt")
	ann.retries("attack", `Sir Ann fells \w+ with a thrust and takes \d+ gold`)
	gold := int64(0)
	for end := time.Now().Add(10 * time.Second); gold <= 0; time.Sleep(20 * time.Millisecond) {
		if gold = purse(t, matches, "Ann"); time.Now().After(end) {
			t.Fatal("Sir Ann's gold does not reach the store")
		}
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-srv.done; err == nil {
		t.Error("a killed server ended well")
	}
	ann.stop()
	gold = purse(t, matches, "Ann")

	srv, process = launch(t, append(server, "-restore")...)
	srv.sees(`Going on with main-\d{8}-\d{6}\.\d{9} as it was at \d\d:\d\d:\d\d\.\n`)
	addr = srv.sees(`'(127\.0\.0\.1:\d+#\w+)'\n`)[1]
	eve := start(t, "join", "-name", "Eve", addr)
	srv.sees(`Sir Eve rides onto the field\.\n`)
	row := eve.retries("look", `(?m)^  Sir Ann +at .* gold (\d+)\n(?:  Sir Eve.*\n)((?:  \w.* purse \d0\n)+)`)
	if row[1] != strconv.FormatInt(gold, 10) || strings.Count(row[2], "\n") > 7 {
		t.Errorf("Eve sees Ann with %s gold, who had %d, among\n%s", row[1], gold, row[2])
	}
	ann = start(t, "join", "-name", "Ann", addr)
	srv.sees(`Sir Ann is back\.\n`)
	ann.types("hunt")
	ann.retries("attack", `Sir Ann (lands a|misses|fells) \w+`)
	eve.sees(`Sir Ann (lands a|misses|fells) \w+`)

	if err := process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	srv.ends()
	if log := srv.all(); strings.Contains(log, "Sir Ann rides") || strings.Contains(log, "The lobby is open") {
		t.Errorf("the battle began anew:\n%s", log)
	}
}

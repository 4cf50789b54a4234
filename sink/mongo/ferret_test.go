package mongo_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/mongo"
)

// given is the URL of a real MongoDB that the environment names, with a database of this
// run's own; empty if there is none.
func given(tb testing.TB) string {
	text := os.Getenv("PARLEY_TEST_MONGO")
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil {
		tb.Fatal("PARLEY_TEST_MONGO is no URL of one host")
	}
	u.Path = fmt.Sprintf("/parley-test-%d", time.Now().UnixNano())
	tb.Cleanup(func() {
		db := client(tb, u.String()).Database(u.Path[1:])
		if err := db.Drop(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return u.String()
}

// ferret is a FerretDB that a test starts and stops: see the folder ferretd.
type ferret struct {
	program, dir, addr string
	cmd                *exec.Cmd
	stdin              io.Closer
}

// built is the directory of the program, if it was built.
var built string

// program builds the server, once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parley-ferretd-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "ferretd")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-C", "ferretd", "-o", path, ".")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ferretd: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// serve starts a FerretDB on a free port, which ends with the test.
func serve(tb testing.TB) *ferret {
	tb.Helper()
	if os.Getenv("PARLEY_TEST_FERRETDB") != "1" {
		tb.Skip("NOT TESTED: neither PARLEY_TEST_MONGO names a server nor is PARLEY_TEST_FERRETDB=1 set, so this ran over no database that somebody else wrote. The first build takes a minute or more, and 620 MB of modules")
	}
	if _, err := os.Stat("ferretd"); errors.Is(err, fs.ErrNotExist) {
		tb.Skip("NOT TESTED: the folder ferretd is not here, as it is a module of its own, so this ran over no database that somebody else wrote")
	}
	path, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	f := &ferret{program: path, dir: tb.TempDir(), addr: "127.0.0.1:0"}
	f.start(tb)
	tb.Cleanup(func() { f.stop(tb) })
	return f
}

// start runs the process, and returns when it takes connections.
func (f *ferret) start(tb testing.TB) {
	f.cmd = exec.Command(f.program, "-addr", f.addr, "-dir", f.dir)
	f.cmd.Stderr = os.Stderr
	stdin, err := f.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	f.stdin = stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		f.stop(tb)
		tb.Fatal("ferretd did not start: ", err)
	}
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		tb.Fatal(err)
	}
	f.addr = u.Host // the same after the next start
}

// stop ends the process as kill -9 does: it waits for its clients otherwise.
func (f *ferret) stop(tb testing.TB) {
	if f.cmd == nil {
		return
	}
	if err := f.cmd.Process.Kill(); err != nil {
		tb.Error(err)
	}
	_ = f.cmd.Wait() // says that it was killed
	f.cmd = nil
}

func (f *ferret) url() string { return "mongodb://" + f.addr + "/db" }

// without says which laws FerretDB 1 cannot keep.
var without = map[string]string{
	"Snapshot/Values":    "FerretDB 1 stores no infinity, no NaN, and no array in an array; over the peer, and a MongoDB, this law is held",
	"Events/Values":      "likewise",
	"Objects/NotChanged": "likewise",
	"Events/NotChanged":  "likewise",
}

// TestConformanceServer goes over a real database, which is killed where the laws stop it.
func TestConformanceServer(t *testing.T) {
	if url := given(t); url != "" {
		conformance.TestSink(t, conformance.Sink{New: on(mongo.Config{URL: url})})
		return
	}
	f := serve(t)
	conformance.TestSink(t, conformance.Sink{
		New:    on(mongo.Config{URL: f.url()}),
		Stop:   func(tb testing.TB) { f.stop(tb) },
		Start:  func(tb testing.TB) { f.start(tb) },
		Except: without,
		// It decodes all of a collection for each query.
		Timeout: 60 * time.Second,
	})
}

// TestServerValues takes all kinds of values that FerretDB has there and back.
func TestServerValues(t *testing.T) {
	url := given(t)
	if url == "" {
		url = serve(t).url()
	}
	s := open(t, mongo.Config{URL: url})
	x := snapshot(match, 1, 1)
	var fields []core.Field
	for i, v := range values() {
		if plain(v) {
			fields = append(fields, core.Field{Name: fmt.Sprint("v", i), Value: v})
		}
	}
	x.Objects = func(yield func(core.ObjectState) bool) { yield(core.ObjectState{ID: 1, Fields: fields}) }
	if err := s.WriteSnapshot(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	got, err := s.Latest(t.Context(), match)
	if err != nil {
		t.Fatal(err)
	}
	for o := range got.Objects {
		for i, f := range o.Fields {
			if !same(fields[i].Value, f.Value) {
				t.Errorf("%T %v came back as %T %v", fields[i].Value, fields[i].Value, f.Value, f.Value)
			}
		}
	}
	if err := client(t, url).Ping(t.Context(), nil); err != nil {
		t.Error(err)
	}
	var entry bson.M
	db := client(t, url).Database(url[strings.LastIndex(url, "/")+1:])
	if err := db.Collection("game-matches").FindOne(t.Context(), bson.D{{Key: "match", Value: match}}).Decode(&entry); err != nil {
		t.Fatal(err)
	}
	if entry["state"] != "game-state 2024-02-29T23:59:59.123456789Z arena" || entry["events"] != "server-events 2024-02-29T23:59:59.123456789Z arena" {
		t.Errorf("the entry is %v", entry)
	}
}

// TestServerLarge takes a snapshot of several documents there and back.
func TestServerLarge(t *testing.T) {
	url := given(t)
	if url == "" {
		url = serve(t).url()
	}
	s := open(t, mongo.Config{URL: url}.WithPart(1<<20))
	const n = 20
	for range 2 {
		if err := s.WriteSnapshot(t.Context(), large(match, 5, n, 100_000)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Latest(t.Context(), match)
	if err != nil {
		t.Fatal(err)
	}
	check(t, got, 5, n, 100_000)
}

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A person is somebody at a terminal: a run of the program whose output is read as it
// comes, and whose input is typed.
type person struct {
	t    *testing.T
	keys *io.PipeWriter
	done chan error
	stop context.CancelFunc

	mu    sync.Mutex
	text  strings.Builder
	read  int           // how much of text was looked at
	wrote chan struct{} // signalled when there is more
}

// start runs the program; it is stopped when the test is over.
func start(t *testing.T, args ...string) *person {
	t.Helper()
	in, keys := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	p := &person{t: t, keys: keys, done: make(chan error, 1), stop: stop, wrote: make(chan struct{}, 1)}
	go func() { p.done <- run(ctx, args, in, p); in.Close() }()
	t.Cleanup(func() {
		stop()
		keys.Close()
		if t.Failed() {
			t.Logf("output of %q:\n%s", args, p.all())
		}
	})
	return p
}

// Write takes what the program prints.
func (p *person) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(b)
	select {
	case p.wrote <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *person) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *person) types(line string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.keys, line); err != nil {
		p.t.Fatalf("typing %q: %v", line, err)
	}
}

// sees waits for text that matches, behind what was seen last, and returns the match
// with its groups.
func (p *person) sees(pattern string) []string {
	p.t.Helper()
	return p.retries("", pattern)
}

// retries types a line again and again until it sees text that matches.
func (p *person) retries(line, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(20 * time.Second)
	for {
		var again <-chan time.Time
		if line != "" {
			p.types(line)
			again = time.After(300 * time.Millisecond)
		}
		for waiting := true; waiting; {
			p.mu.Lock()
			text := p.text.String()[p.read:]
			at := re.FindStringSubmatchIndex(text)
			if at != nil {
				p.read += at[1]
			}
			p.mu.Unlock()
			if at != nil {
				return re.FindStringSubmatch(text)
			}
			select {
			case <-p.wrote:
			case <-again:
				waiting = false
			case <-limit:
				p.t.Fatalf("waited for %q, and saw:\n%s", pattern, text)
			}
		}
	}
}

// ends waits until the program has returned.
func (p *person) ends() {
	p.t.Helper()
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("the program failed: %v", err)
		}
	case <-time.After(20 * time.Second):
		p.t.Fatal("the program does not end")
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := start(t, "-seed", "7", "-length", "4s")
	p.sees(`^The lobby is open: the battle begins when 4 knights are ready\.\n`)
	for range bots {
		p.sees(`Sir (Lancelot|Gawain|Percival|Tristan) rides onto the field\.\n`)
	}
	p.sees(`The horns sound!\n`)
	p.sees(`Sir \w+ (lands a|misses|fells) \w+`)
	p.sees(`(Night falls over the field; \d barbarians slip away|The last barbarian has fallen: the field is won|No knight is left standing: the field is lost).\n`)
	p.sees(`\n  knight +gold +health\n(  \w+ +\d+ +\d+\n){1,4}|  nobody came home\n`)
	p.sees(`\nnetwork: 4 clients over udp for \d+\.\d s; each \d+\.\d kB/s down, \d+\.\d kB/s up; round trip \d+\.\d\d ms, worst \d+\.\d\d ms; \d+\.\d % lost\n$`)
	p.ends()
	if d := time.Since(began); d > 19*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestPlay has two people play over real sockets on this machine.
func TestPlay(t *testing.T) {
	t.Parallel()
	srv := start(t, "server", "-addr", "127.0.0.1:0", "-seed", "3", "-length", "10m")
	addr := srv.sees(`go run ./examples/knights join -transport=udp -name=NAME '(127\.0\.0\.1:\d+#\w+)'\n`)[1]

	ann := start(t, "join", "-name", "Ann", addr)
	ann.sees(`^You are Sir Ann\. Commands:\n(  \w+.*\n){8}`)
	ann.types("hunt")
	ann.sees("the battle has not begun; say ready\n")
	bob := start(t, "join", addr, "-name", "Bob")
	bob.sees("You are Sir Bob")
	bob.retries("look", `  Sir Ann +ready: false\n  Sir Bob +ready: false\n`)
	bob.types("ready")
	bob.sees("You are ready.\n")
	ann.retries("look", `  Sir Ann +ready: false\n  Sir Bob +ready: true\n`)
	ann.types("ready")
	for _, p := range []*person{srv, ann, bob} {
		p.sees(`Sir Ann rides onto the field\.\nSir Bob rides onto the field\.\nThe horns sound!\n`)
	}

	ann.retries("look", `(  Sir \w+ +at +[\d.]+, +[\d.]+  health 100  gold 0\n){2}(  \w+ +at +[\d.]+, +[\d.]+  health +40  purse \d0\n){8}`)
	bob.types("go up")
	bob.sees(`where is "up"\? go north, east, south, west or stop\n`)
	bob.types("attack")
	bob.sees(`\w+ is \d+\.\d paces away; your sword reaches 3\.0\n`)
	bob.types("dance")
	bob.sees(`"dance"\? Type help\n`)
	bob.types("help")
	bob.sees(`  attack \[STYLE\]`)
	bob.types("")
	bob.types("say for the king")
	ann.sees("Sir Bob: for the king\n")

	x := ann.retries("look", `  Sir Ann +at +([\d.]+),`)[1]
	ann.types("go east")
	if y := ann.retries("look", `  Sir Ann +at +(\d\d\.\d),`)[1]; x == y {
		t.Errorf("Sir Ann stands still at %s", x)
	}
	ann.types("hunt")
	ann.retries("attack slash", `(\w+ wounds you: -\d+, \d+ left\.\nSir Ann misses|Sir Ann (lands a|fells)) \w+`)
	bob.sees(`Sir Ann (lands a|misses|fells) \w+`)

	bob.types("quit")
	bob.ends()
	ann.sees(`Sir Bob leaves the field\.\n`)
	ann.keys.Close() // as at the end of a file
	ann.ends()
	srv.sees(`Sir Ann leaves the field\.\nNo knight is left standing: the field is lost\.\n`)
	srv.stop()
	srv.ends()
}

// TestServerGone holds that players are told when the server shuts down.
func TestServerGone(t *testing.T) {
	t.Parallel()
	srv := start(t, "server", "-addr", "127.0.0.1:0", "-players", "1")
	addr := srv.sees(`'(127\.0\.0\.1:\d+#\w+)'\n`)[1]
	ann := start(t, "join", addr)
	ann.sees("You are Sir Galahad")
	srv.stop()
	srv.ends()
	select {
	case err := <-ann.done:
		if err == nil || !strings.Contains(err.Error(), "the server is shutting down") {
			t.Errorf("the player is told %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the player is not told")
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		err  string // part of it
		out  string // part of it
	}{
		{[]string{"-h"}, flag.ErrHelp.Error(), "knights join [flags] ADDRESS"},
		{[]string{"server", "-help"}, flag.ErrHelp.Error(), "-transport"},
		{[]string{"dance"}, `unknown command "dance"`, "knights server [flags]"},
		{[]string{"-transport", "pigeon"}, `unknown transport "pigeon": there is tcp, udp`, ""},
		{[]string{"-wings"}, "flag provided but not defined: -wings", "-length"},
		{[]string{"join"}, "join takes one ADDRESS", ""},
		{[]string{"join", "here", "there"}, "join takes one ADDRESS", ""},
		{[]string{"join", "here", "-wings"}, "flag provided but not defined: -wings", ""},
		{[]string{"join", "127.0.0.1:1"}, "connection refused", ""},
		{[]string{"server", "-addr", "nonsense"}, "nonsense", ""},
		{[]string{"server", "-key", "no/such/dir/key"}, "no/such/dir/key", ""},
		{[]string{"server", "-restore"}, "-restore needs the -store that the battle is in", ""},
		{[]string{"server", "-store", "pigeon:x"}, `unknown store "pigeon:x": there is file:DIR`, ""},
		{[]string{"server", "-store", "file:"}, "file: ", ""},
		{[]string{"server", "-restore", "-store", "file:" + t.TempDir()}, "none of the store's 0 matches is under way", ""},
	} {
		var out strings.Builder
		err := run(t.Context(), c.args, strings.NewReader(""), &out)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: the error is %v, want %q in it", c.args, err, c.err)
		}
		if !strings.Contains(out.String(), c.out) {
			t.Errorf("%q printed %q, want %q in it", c.args, out.String(), c.out)
		}
		if c.err == flag.ErrHelp.Error() && !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: %v is no flag.ErrHelp", c.args, err)
		}
	}
}

// TestShort holds that what server and clients share can be read at one sitting.
func TestShort(t *testing.T) {
	f, err := os.Open("shared.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := 0
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
	}
	if lines >= 120 {
		t.Errorf("shared.go has %d lines", lines)
	}
}

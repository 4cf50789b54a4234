package spool

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

var kills = flag.Int("kills", 100, "how many processes TestKill kills")

// The matches of which a process to be killed writes events.
var killMatches = []string{"a", "b"}

const (
	childDir  = "PARLEY_SPOOL_DIR"
	childFrom = "PARLEY_SPOOL_FROM"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir, strings.Fields(os.Getenv(childFrom))); err != nil {
			fmt.Println("bad", err)
			os.Exit(1)
		}
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // tests bring their own where they look at it
	os.Exit(m.Run())
}

// child is the process that is killed: it writes to a spool without end, says on
// standard output what was acknowledged, and ships to its parent, which is the store.
// from holds the next event of each match and the next snapshot.
func child(dir string, from []string) error {
	pipe := &pipeSink{out: os.Stdout, in: bufio.NewReader(os.Stdin)}
	s, err := New(Config{Dir: dir, Sink: pipe, MaxBytes: 256 << 10, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	pipe.say("open")
	if len(from) == 0 { // only to have the folder
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}
	failed := make(chan error)
	for i, match := range killMatches {
		go func() {
			next, err := strconv.ParseUint(from[i], 10, 64)
			for batch := uint64(1); err == nil; batch = batch%7 + 1 {
				var n int
				n, err = s.WriteEvents(context.Background(), eventsOf(match, next, next+batch-1))
				if next += uint64(n); n > 0 {
					pipe.say("ack", match, next-1)
				}
				err = patience(err)
			}
			failed <- err
		}()
	}
	go func() {
		tick, err := strconv.ParseUint(from[len(killMatches)], 10, 64)
		for ; err == nil; tick++ {
			if err = s.WriteSnapshot(context.Background(), snapshot("a", tick, 5)); err == nil {
				pipe.say("snap", tick)
			}
			err = patience(err)
			time.Sleep(time.Millisecond)
		}
		failed <- err
	}()
	return <-failed
}

// patience waits where the spool is full, which is no failure.
func patience(err error) error {
	if errors.Is(err, core.ErrBackpressure) {
		time.Sleep(time.Millisecond)
		return nil
	}
	return err
}

// pipeSink asks the parent to store things.
type pipeSink struct {
	mu  sync.Mutex
	out io.Writer
	in  *bufio.Reader
}

// say writes one line, at once.
func (p *pipeSink) say(words ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.out.Write([]byte(fmt.Sprintln(words...))); err != nil {
		os.Exit(1) // the parent is gone
	}
}

// ask says something and waits for how many were stored.
func (p *pipeSink) ask(words ...any) (int, error) {
	p.say(words...)
	line, err := p.in.ReadString('\n')
	if err != nil {
		os.Exit(1)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || n < 0 {
		return 0, errDown
	}
	return n, nil
}

func (p *pipeSink) WriteEvents(ctx context.Context, events []core.Event) (int, error) {
	words := []any{"events"}
	for _, e := range events {
		if want := event(e.Match, e.Seq); e.Kind != want.Kind || e.Player != want.Player || e.Tick != want.Tick || !reflect.DeepEqual(e.Data, want.Data) {
			p.say("bad", "event", e)
		}
		words = append(words, fmt.Sprint(e.Match, e.Seq))
	}
	n, err := p.ask(words...)
	if err == nil && n < len(events) {
		err = errDown
	}
	return n, err
}

func (p *pipeSink) WriteSnapshot(ctx context.Context, x core.Snapshot) error {
	n := 0
	for o := range x.Objects {
		if n++; len(o.Fields) != 2 || o.Fields[0].Value != x.Tick {
			p.say("bad", "object", o)
		}
	}
	if n != 5 {
		p.say("bad", "snapshot", x.Tick)
	}
	_, err := p.ask("snapshot", x.Tick)
	return err
}

func (p *pipeSink) Close(context.Context) error { return nil }

// killStore is the parent's part: the store.
type killStore struct {
	t     *testing.T
	rand  *rand.Rand
	acked map[string]uint64   // the last event of each match that a process was told of
	snaps []uint64            // snapshots, likewise
	came  map[string][]uint64 // events, as they first came
	seen  map[string]bool     // events and snapshots
}

// serve answers a process until it has died.
func (k *killStore) serve(from io.Reader, to io.Writer) {
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return // a line that was cut off says nothing
		}
		words := strings.Fields(line)
		switch words[0] {
		case "ack":
			seq, _ := strconv.ParseUint(words[2], 10, 64)
			k.acked[words[1]] = max(k.acked[words[1]], seq)
		case "snap":
			tick, _ := strconv.ParseUint(words[1], 10, 64)
			k.snaps = append(k.snaps, tick)
		case "events", "snapshot":
			answer := len(words) - 1
			take := answer
			switch k.rand.IntN(40) {
			case 0:
				take, answer = 0, -1 // down
			case 1:
				answer = -1 // stored, and the answer is lost
			case 2:
				take = k.rand.IntN(take + 1)
				answer = take
			}
			for _, key := range words[1 : take+1] {
				k.store(words[0], key)
			}
			fmt.Fprintln(to, answer) // a dead process does not listen
		case "open":
		default:
			k.t.Fatalf("the process says: %s", line)
		}
	}
}

func (k *killStore) store(kind, key string) {
	if k.seen[kind+key] {
		return
	}
	k.seen[kind+key] = true
	if kind == "events" {
		seq, _ := strconv.ParseUint(key[1:], 10, 64)
		k.came[key[:1]] = append(k.came[key[:1]], seq)
	}
}

// TestKill kills a process that writes, again and again, at any moment, while the
// store fails now and then. Every event that was acknowledged is in the store in the
// end, once, in order, and whole.
func TestKill(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	k := &killStore{t: t, rand: rand.New(rand.NewPCG(seed, 1)), acked: map[string]uint64{}, came: map[string][]uint64{}, seen: map[string]bool{}}
	life := rand.New(rand.NewPCG(seed, 2))
	for range *kills {
		tick := uint64(1)
		if len(k.snaps) > 0 {
			tick = slices.Max(k.snaps) + 1
		}
		p := start(t, dir, fmt.Sprint(k.acked["a"]+1, " ", k.acked["b"]+1, " ", tick))
		time.AfterFunc(time.Duration(life.IntN(60_000))*time.Microsecond, func() { p.cmd.Process.Kill() })
		k.serve(p.out, p.in)
		p.cmd.Wait() // killed
	}
	// The last process lives.
	reader, writer := io.Pipe()
	answers, to := io.Pipe()
	s, err := New(Config{Dir: dir, Sink: &pipeSink{out: writer, in: bufio.NewReader(answers)}, MaxBytes: 256 << 10})
	must(t, err)
	go func() {
		if err := s.Close(within(t, time.Minute)); err != nil {
			t.Error(err)
		}
		writer.Close()
	}()
	k.serve(reader, to)

	total := 0
	for _, match := range killMatches {
		got := k.came[match]
		total += len(got)
		if n := uint64(len(got)); n < k.acked[match] || !slices.Equal(got, numbers(1, n)) {
			t.Errorf("match %s: %d events acknowledged; stored, as they came: %v", match, k.acked[match], got)
		}
	}
	dropped := 0
	for _, tick := range k.snaps {
		if !k.seen["snapshot"+fmt.Sprint(tick)] {
			dropped++
		}
	}
	if n := len(k.snaps); n > 0 && !k.seen["snapshot"+fmt.Sprint(slices.Max(k.snaps))] {
		t.Errorf("the newest of %d snapshots is not stored", n)
	}
	t.Logf("%d processes: %d events, %d snapshots, of which %d were dropped", *kills, total, len(k.snaps), dropped)
	if total < *kills { // a busy machine gets little done between two kills
		t.Errorf("%d events only", total)
	}
}

// process is one that runs child.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func start(t *testing.T, dir, from string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], "-test.run=^$")}
	p.cmd.Env = append(os.Environ(), childDir+"="+dir, childFrom+"="+from)
	p.cmd.Stderr = os.Stderr
	var err error
	p.in, err = p.cmd.StdinPipe()
	must(t, err)
	p.out, err = p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	return p
}

// TestTwoProcesses holds that two processes never have one spool, and that the folder
// is free as soon as the first has died.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "")
	if line, err := bufio.NewReader(p.out).ReadString('\n'); err != nil || line != "open\n" {
		t.Fatalf("%q, %v", line, err)
	}
	store := newShop()
	for range 2 {
		_, err := New(Config{Dir: dir, Sink: store.open()})
		if !errors.Is(err, core.ErrRefused) || !strings.Contains(err.Error(), dir) {
			t.Errorf("New returned %v", err)
		}
	}
	must(t, p.cmd.Process.Kill())
	p.cmd.Wait() // killed
	s, err := New(Config{Dir: dir, Sink: store.open()})
	must(t, err)
	if _, err := New(Config{Dir: dir, Sink: store.open()}); !errors.Is(err, core.ErrRefused) {
		t.Errorf("a second one in this process: %v", err)
	}
	put(t, s, event("m", 1))
	must(t, s.Close(within(t, time.Minute)))
	s, err = New(Config{Dir: dir, Sink: store.open()})
	must(t, err)
	must(t, s.Close(within(t, time.Minute)))
}

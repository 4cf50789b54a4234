package file

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

var kills = flag.Int("kills", 12, "how often TestKill kills a process that writes")

// killSize is the number of objects of a snapshot, of which every other one takes
// several writes.
func killSize(tick uint64) int {
	if tick%2 == 0 {
		return 2500
	}
	return int(tick % 50)
}

// TestKill kills processes that write, with kill -9 and at any moment: what they had
// acknowledged is there, once and in order, and the next one goes on from there.
func TestKill(t *testing.T) {
	if dir := os.Getenv("PARLEY_TEST_KILL"); dir != "" {
		if err := writeUntilKilled(dir, os.Getenv("PARLEY_TEST_ACK")); err != nil {
			fmt.Println("failed:", err)
		}
		return
	}
	n := *kills
	if testing.Short() {
		n = min(n, 3)
	}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	dir, torn := "", 0
	for round := range n {
		if round%3 == 0 {
			dir = t.TempDir()
		}
		events, tick := killOne(t, dir, []string{"disk", "os"}[round%2], 1+r.IntN(8), time.Duration(r.IntN(4000))*time.Microsecond)
		log := newLogbook()
		s := open(t, Config{Dir: dir, Log: slog.New(log)})
		c := contentOf(t, s, "m")
		warns, errs := log.counts()
		torn += warns
		if c.eventErr != nil || c.snapErr != nil || errs > 0 || uint64(len(c.events)) < events || uint64(len(c.snapshots)) < tick {
			t.Fatalf("seed %d, round %d: %d events and %d snapshots were acknowledged, and %d and %d are there; %v; %v; %d errors logged", seed, round, events, tick, len(c.events), len(c.snapshots), c.eventErr, c.snapErr, errs)
		}
		if !slices.Equal(c.events, texts(t, eventsOf("m", 1, 1, len(c.events)), eventText)) {
			t.Fatalf("seed %d, round %d: the events are not those that were written", seed, round)
		}
		for i, text := range c.snapshots {
			if at := uint64(i + 1); text != snapshotText(t, snapshotOf("m", 1, at, killSize(at))) {
				t.Fatalf("seed %d, round %d: snapshot %d is not the one that was written", seed, round, at)
			}
		}
		closed(t, s)
	}
	t.Logf("%d processes killed, %d of them in the middle of a record", n, torn)
}

// killOne starts a process, lets it write, kills it, and returns what it had
// acknowledged.
func killOne(t *testing.T, dir, ack string, writes int, more time.Duration) (events, tick uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "PARLEY_TEST_KILL="+dir, "PARLEY_TEST_ACK="+ack)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); {
		case ackOf(line, "event", &events), ackOf(line, "snapshot", &tick):
		default:
			t.Fatalf("the process said %q", line)
		}
		if writes--; writes == 0 {
			time.AfterFunc(more, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // was killed
	return events, tick
}

func ackOf(line, what string, n *uint64) bool {
	_, err := fmt.Sscanf(line, what+" %d", n)
	return err == nil
}

// writeUntilKilled is the other process: it goes on where the one before it was killed.
func writeUntilKilled(dir, ack string) error {
	c := Config{Dir: dir, SyncEvery: -1}
	if ack == "os" {
		c.Ack = AckOS
	}
	s, err := Open(c)
	if err != nil {
		return err
	}
	ctx := context.Background()
	seq, tick := uint64(0), uint64(0)
	for e, err := range s.Events(ctx, "m", 0, ^uint64(0)) {
		if err != nil {
			return err
		}
		seq = e.Seq
	}
	switch x, err := s.Latest(ctx, "m"); {
	case err == nil:
		tick = x.Tick
	case !errors.Is(err, core.ErrNotFound):
		return err
	}
	for {
		// Some again, as who does not know whether they arrived would write them.
		again := min(seq, 3)
		if n, err := s.WriteEvents(ctx, eventsOf("m", 1, seq-again+1, int(again)+7)); n != int(again)+7 || err != nil {
			return fmt.Errorf("%d events: %w", n, err)
		}
		seq += 7
		fmt.Printf("event %d\n", seq)
		tick++
		if err := s.WriteSnapshot(ctx, snapshotOf("m", 1, tick, killSize(tick))); err != nil {
			return err
		}
		fmt.Printf("snapshot %d\n", tick)
	}
}

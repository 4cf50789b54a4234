package file

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/sink/internal/disk/disktest"
)

// history is a match with everything in it, and its file.
type history struct {
	snapshots []core.Snapshot
	events    []core.Event
	file      []byte
	ends      []int // lengths of the file at which something was acknowledged
	// What was acknowledged at each of these.
	snapAt, eventAt []int
}

func newHistory(t *testing.T) *history {
	t.Helper()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir, Ack: AckOS})
	h := &history{snapshots: []core.Snapshot{snapshotOf("m", 1, 2, 3), snapshotOf("m", 1, 4, 0), snapshotOf("m", 2, 1, 1)}, events: slices.Concat(eventsOf("m", 1, 1, 5), eventsOf("m", 2, 1, 2))}
	snaps, events := 0, 0
	for _, step := range []struct{ snaps, events int }{{0, 2}, {1, 2}, {1, 3}, {1, 5}, {2, 5}, {2, 6}, {3, 6}, {3, 7}} {
		mustWrite(t, s, h.snapshots[snaps:step.snaps], h.events[events:step.events])
		snaps, events = step.snaps, step.events
		h.file = readFile(t, fileOf(dir, "m"))
		h.ends, h.snapAt, h.eventAt = append(h.ends, len(h.file)), append(h.snapAt, snaps), append(h.eventAt, events)
	}
	holds(t, s, "m", h.snapshots, h.events)
	closed(t, s)
	return h
}

// prefix wants list to be the beginning of want.
func prefix(t *testing.T, what string, list, want []string) {
	t.Helper()
	if len(list) > len(want) || !slices.Equal(list, want[:len(list)]) {
		t.Fatalf("%s\n%q\nare no beginning of\n%q", what, list, want)
	}
}

// TestEveryPrefix cuts a file off at each of its bytes, as the end of a process may:
// what was acknowledged by then is there, nothing else but whole records, and writing
// it all again completes it.
func TestEveryPrefix(t *testing.T) {
	h := newHistory(t)
	wantSnaps, wantEvents := texts(t, h.snapshots, snapshotText), texts(t, h.events, eventText)
	dir, d := t.TempDir(), &disktest.Disk{NoSync: true}
	for cut := range len(h.file) + 1 {
		writeFile(t, fileOf(dir, "m"), h.file[:cut])
		snaps, events := 0, 0
		for i, end := range h.ends {
			if end <= cut {
				snaps, events = h.snapAt[i], h.eventAt[i]
			}
		}
		log := newLogbook()
		look := func(s *Sink) {
			c := contentOf(t, s, "m")
			if _, errs := log.counts(); c.snapErr != nil || c.eventErr != nil || errs > 0 {
				t.Fatalf("cut at %d of %d: %v; %v; %d errors logged", cut, len(h.file), c.snapErr, c.eventErr, errs)
			}
			prefix(t, fmt.Sprintf("cut at %d of %d, the snapshots", cut, len(h.file)), c.snapshots, wantSnaps)
			prefix(t, fmt.Sprintf("cut at %d of %d, the events", cut, len(h.file)), c.events, wantEvents)
			if len(c.snapshots) < snaps || len(c.events) < events {
				t.Fatalf("cut at %d of %d: %d snapshots and %d events were acknowledged, and %d and %d are there", cut, len(h.file), snaps, events, len(c.snapshots), len(c.events))
			}
		}
		r := open(t, Config{Dir: dir, ReadOnly: true, Log: slog.New(log)})
		look(r)
		if warns, _ := log.counts(); warns > 0 || len(readFile(t, fileOf(dir, "m"))) != cut {
			t.Fatal("a reader repaired the file")
		}
		closed(t, r)
		if cut%7 > 0 {
			continue // what follows takes longer
		}
		w := open(t, Config{Dir: dir, Ack: AckOS, Log: slog.New(log), disk: d})
		look(w)
		left := readFile(t, fileOf(dir, "m"))
		if warns, _ := log.counts(); !bytes.HasPrefix(h.file, left) || len(left) > 0 && left[len(left)-1] != '\n' || (warns > 0) != (len(left) < cut) {
			t.Fatalf("cut at %d, the writer left %d bytes and %d warnings", cut, len(left), warns)
		}
		mustWrite(t, w, h.snapshots, h.events)
		holds(t, w, "m", h.snapshots, h.events)
		closed(t, w)
	}
}

// TestEveryFlip changes each byte of a file: all that is read is as it was written, and
// if anything is missing an error says so. Who writes it all again has it all, and once
// the damaged lines are deleted nobody is told of them any more.
func TestEveryFlip(t *testing.T) {
	h := newHistory(t)
	wantSnaps, wantEvents := texts(t, h.snapshots, snapshotText), texts(t, h.events, eventText)
	dir, d := t.TempDir(), &disktest.Disk{NoSync: true}
	for at := range h.file {
		for i, to := range []byte{h.file[at] ^ 1<<(at%8), '\n'} {
			if to == h.file[at] || i > 0 && at%5 > 0 {
				continue
			}
			file := bytes.Clone(h.file)
			file[at] = to
			writeFile(t, fileOf(dir, "m"), file)
			where := fmt.Sprintf("byte %d of %d, %q to %q", at, len(file), h.file[at], to)
			look := func(s *Sink, log *logbook) content {
				c := contentOf(t, s, "m")
				prefix(t, where+", the events", c.events, wantEvents)
				if len(c.events) < len(wantEvents) && !errors.Is(c.eventErr, core.ErrMalformed) {
					t.Fatalf("%s: %d of %d events are there, and the error is %v", where, len(c.events), len(wantEvents), c.eventErr)
				}
				for _, x := range c.snapshots {
					if !slices.Contains(wantSnaps, x) {
						t.Fatalf("%s: such a snapshot was not written: %s", where, x)
					}
				}
				if len(c.snapshots) < len(wantSnaps) && !errors.Is(c.snapErr, core.ErrMalformed) {
					t.Fatalf("%s: %d of %d snapshots are there, and the error is %v", where, len(c.snapshots), len(wantSnaps), c.snapErr)
				}
				newest, err := s.Latest(t.Context(), "m")
				if err != nil || snapshotText(t, newest) != c.snapshots[len(c.snapshots)-1] {
					t.Fatalf("%s: the latest is %d/%d, %v", where, newest.Epoch, newest.Tick, err)
				}
				warns, errs := log.counts()
				if failed := c.eventErr != nil || c.snapErr != nil; failed && errs == 0 || errs+warns == 0 {
					t.Fatalf("%s: %d warnings and %d errors were logged of %v; %v", where, warns, errs, c.snapErr, c.eventErr)
				}
				return c
			}
			reopen := func(readOnly bool) (*Sink, *logbook) {
				log := newLogbook()
				return open(t, Config{Dir: dir, ReadOnly: readOnly, Ack: AckOS, Log: slog.New(log), disk: d}), log
			}
			r, log := reopen(true)
			before := look(r, log)
			closed(t, r)
			if at%17 > 0 {
				continue // what follows takes longer
			}
			w, log := reopen(false)
			if c := look(w, log); !slices.Equal(c.events, before.events) || !slices.Equal(c.snapshots, before.snapshots) {
				t.Fatalf("%s: a reader and a writer see different things", where)
			}
			mustWrite(t, w, h.snapshots, h.events)
			if c := look(w, log); len(c.snapshots) != len(wantSnaps) {
				t.Fatalf("%s: written again, %d snapshots are there, and %v", where, len(c.snapshots), c.snapErr)
			}
			closed(t, w)

			var sound []byte
			for line := range bytes.Lines(readFile(t, fileOf(dir, "m"))) {
				if _, ok := unseal(bytes.TrimSuffix(line, []byte("\n"))); ok {
					sound = append(sound, line...)
				}
			}
			writeFile(t, fileOf(dir, "m"), sound)
			r, log = reopen(true)
			holds(t, r, "m", h.snapshots, h.events)
			if warns, errs := log.counts(); warns+errs > 0 {
				t.Fatalf("%s: after the damage was deleted, %d warnings and %d errors were logged", where, warns, errs)
			}
			closed(t, r)
		}
	}
}

// TestDamagedSnapshot holds that what is damaged within a snapshot, for certain, is no
// reason to doubt the events, and that an error names the line.
func TestDamagedSnapshot(t *testing.T) {
	h := newHistory(t)
	dir := t.TempDir()
	lines := bytes.SplitAfter(h.file, []byte("\n"))
	at := slices.IndexFunc(lines, func(l []byte) bool { return bytes.Contains(l, []byte(`"id":2,`)) })
	lines[at] = bytes.Replace(lines[at], []byte("Knight"), []byte("Knave_"), 1)
	writeFile(t, fileOf(dir, "m"), bytes.Join(lines, nil))
	for _, readOnly := range []bool{true, false} {
		s := open(t, Config{Dir: dir, ReadOnly: readOnly})
		c := contentOf(t, s, "m")
		if c.eventErr != nil || len(c.events) != len(h.events) || len(c.snapshots) != 2 || c.snapErr == nil || !strings.Contains(c.snapErr.Error(), fmt.Sprintf("1/2 is damaged in line %d ", at+1)) {
			t.Errorf("%d events, %v; %d snapshots, %v", len(c.events), c.eventErr, len(c.snapshots), c.snapErr)
		}
		for x, err := range s.Snapshots(t.Context(), "m", 3, 9) {
			if err != nil {
				t.Errorf("after %d: %v, of a snapshot that is not in the range", x.Tick, err)
			}
		}
		closed(t, s)
	}
	// Written again, it is whole.
	s := open(t, Config{Dir: dir})
	mustWrite(t, s, h.snapshots, h.events)
	holds(t, s, "m", h.snapshots, h.events)
	closed(t, s)
	holds(t, open(t, Config{Dir: dir, ReadOnly: true}), "m", h.snapshots, h.events)
}

// TestGap holds that events are read up to the first that is missing because of damage.
func TestGap(t *testing.T) {
	h := newHistory(t)
	dir := t.TempDir()
	lines := bytes.SplitAfter(h.file, []byte("\n"))
	at := slices.IndexFunc(lines, func(l []byte) bool { return bytes.Contains(l, []byte(`"epoch":1,"seq":3,`)) })
	lines[at][20] ^= 1
	writeFile(t, fileOf(dir, "m"), bytes.Join(lines, nil))
	s := open(t, Config{Dir: dir})
	c := contentOf(t, s, "m")
	if len(c.events) != 2 || !errors.Is(c.eventErr, core.ErrMalformed) || !strings.Contains(c.eventErr.Error(), fmt.Sprintf("line %d of ", at+1)) {
		t.Errorf("%d events, %v", len(c.events), c.eventErr)
	}
	// The error comes before what is behind the gap, also if only that is asked for.
	for e, err := range s.Events(t.Context(), "m", 2, 2) {
		if err == nil {
			t.Errorf("event %d/%d was read behind a gap", e.Epoch, e.Seq)
		}
	}
	mustWrite(t, s, nil, h.events)
	// Now there is no gap, and nobody knows whether epoch 1 had more events.
	if c := contentOf(t, s, "m"); len(c.events) != 5 || c.eventErr == nil {
		t.Errorf("after the gap was closed: %d events, %v", len(c.events), c.eventErr)
	}
}

// TestManyDamaged holds that what is kept of damage is bounded, and that reading goes on.
func TestManyDamaged(t *testing.T) {
	h := newHistory(t)
	dir := t.TempDir()
	end := h.ends[0]
	file := slices.Concat(h.file[:end], bytes.Repeat([]byte("garbage\n"), 5000), bytes.Repeat([]byte{0}, readSize+5), []byte("\n"), h.file[end:])
	writeFile(t, fileOf(dir, "m"), file)
	s := open(t, Config{Dir: dir})
	c := contentOf(t, s, "m")
	if len(c.events) != 5 || len(c.snapshots) != len(h.snapshots) || c.eventErr == nil || c.snapErr == nil || !strings.Contains(c.eventErr.Error(), "line 4, 5, 6") || !strings.Contains(c.eventErr.Error(), "19 and 4985 more") {
		t.Errorf("%d events, %v; %d snapshots, %v", len(c.events), c.eventErr, len(c.snapshots), c.snapErr)
	}
}

// TestNotOurs opens files that stand where a match is to be.
func TestNotOurs(t *testing.T) {
	h := newHistory(t)
	first := func(text string) []byte { return seal([]byte(text), 0) }
	for name, c := range map[string]struct {
		file []byte
		kind error
	}{
		"other text":   {[]byte("hello\nworld\n"), core.ErrMalformed},
		"other JSON":   {[]byte("{\"a\":1}\n"), core.ErrMalformed},
		"renamed":      {bytes.ReplaceAll(h.file, []byte(`"match":"m"`), []byte(`"match":"n"`)), core.ErrMalformed},
		"really moved": {slices.Concat(first(`{"type":"match","match":"n","format":1`), h.file), core.ErrMalformed},
		"newer":        {slices.Concat(first(`{"type":"match","match":"m","format":2`), h.file), core.ErrUnsupported},
		"no match":     {first(`{"type":"match","match":7,"format":1`), core.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, fileOf(dir, "m"), c.file)
			s := open(t, Config{Dir: dir})
			err := s.WriteSnapshot(t.Context(), snapshotOf("m", 1, 9, 1))
			n, err2 := s.WriteEvents(t.Context(), eventsOf("m", 1, 1, 1))
			if !errors.Is(err, c.kind) || !errors.Is(err2, c.kind) || n != 0 || !strings.Contains(err.Error(), fileOf(dir, "m")) {
				t.Errorf("writes: %v; %d, %v", err, n, err2)
			}
			if got := readFile(t, fileOf(dir, "m")); !bytes.Equal(got, c.file) {
				t.Errorf("the file was changed to %d bytes", len(got))
			}
			r := open(t, Config{Dir: dir, ReadOnly: true})
			if c := contentOf(t, r, "m"); c.snapErr == nil || c.eventErr == nil || len(c.snapshots)+len(c.events) > 0 {
				t.Errorf("%v", c)
			}
		})
	}
}

// TestEmptyFile holds that a file that was made, and nothing more, is no match.
func TestEmptyFile(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, fileOf(dir, "m"), nil)
	long := strings.Repeat("long", 75)
	writeFile(t, fileOf(dir, long), nil)
	if err := os.Mkdir(fileOf(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, Config{Dir: dir})
	if names, err := s.Matches(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("%q, %v", names, err)
	}
	holds(t, s, "m", nil, nil)
	for _, m := range []string{"m", long} {
		mustWrite(t, s, []core.Snapshot{snapshotOf(m, 1, 1, 1)}, eventsOf(m, 1, 1, 2))
		holds(t, s, m, []core.Snapshot{snapshotOf(m, 1, 1, 1)}, eventsOf(m, 1, 1, 2))
	}
	if names, err := s.Matches(t.Context()); err != nil || !slices.Equal(names, []string{long, "m"}) {
		t.Errorf("%q, %v", names, err)
	}
}

package file

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-net/parley/core"
)

// index knows where in a match's file its records are, and not what is in them. It
// takes 56 bytes a snapshot, and 56 for each run of events that follow each other in
// the file as well as in number: in a match that goes on undisturbed, those between two
// snapshots.
type index struct {
	end       int64 // bytes of whole records
	lines     int64 // in these
	headless  bool  // the first one is damaged
	endless   bool  // the last one has another byte where its \n was
	sound     bool  // one behind the first was written here
	snapshots []place
	runs      []run
	damage    damage  // of which nobody knows what it was
	broken    []place // snapshots of which a line is damaged
}

// place is where a snapshot is. They are in order of epoch and tick.
type place struct {
	epoch, tick uint64
	at, size    int64
	objects     uint64
	line        int64 // number of the first, or of the one that is damaged
}

// key is what the index knows of an event.
type key struct{ epoch, seq, tick uint64 }

// maxRun bounds the bytes of a run, so that those of other ticks need not be read.
const maxRun = 64 << 10

// run is a part of the file with events, without gaps. They are in order of epoch and
// number, and do not overlap.
type run struct {
	epoch, first, last uint64 // numbers of events
	low, high          uint64 // ticks
	at, size           int64
}

func comparePlace(p place, key [2]uint64) int {
	return cmp.Or(cmp.Compare(p.epoch, key[0]), cmp.Compare(p.tick, key[1]))
}

func (x *index) hasSnapshot(epoch, tick uint64) bool {
	_, found := slices.BinarySearchFunc(x.snapshots, [2]uint64{epoch, tick}, comparePlace)
	return found
}

// addSnapshot adds a snapshot that is whole, unless its key is there.
func (x *index) addSnapshot(p place) {
	key := [2]uint64{p.epoch, p.tick}
	if i, found := slices.BinarySearchFunc(x.snapshots, key, comparePlace); !found {
		x.snapshots = slices.Insert(x.snapshots, i, p)
	}
	if i, found := slices.BinarySearchFunc(x.broken, key, comparePlace); found {
		x.broken = slices.Delete(x.broken, i, i+1) // written again, and whole now
	}
}

// addBroken notes a snapshot that is damaged in a line of this number.
func (x *index) addBroken(epoch, tick uint64, line int64) {
	key := [2]uint64{epoch, tick}
	i, found := slices.BinarySearchFunc(x.broken, key, comparePlace)
	if !found && !x.hasSnapshot(epoch, tick) {
		x.broken = slices.Insert(x.broken, i, place{epoch: epoch, tick: tick, line: line})
	}
}

// behind returns the first run that begins behind an event.
func (x *index) behind(epoch, seq uint64) int {
	i, _ := slices.BinarySearchFunc(x.runs, 0, func(r run, _ int) int {
		if r.epoch < epoch || r.epoch == epoch && r.first <= seq {
			return -1
		}
		return 1
	})
	return i
}

func (x *index) hasEvent(epoch, seq uint64) bool {
	i := x.behind(epoch, seq) - 1
	return i >= 0 && x.runs[i].epoch == epoch && seq <= x.runs[i].last
}

// addEvent adds an event, unless its key is there.
func (x *index) addEvent(k key, at, size int64) {
	i := x.behind(k.epoch, k.seq)
	if i > 0 && x.runs[i-1].epoch == k.epoch {
		switch r := &x.runs[i-1]; {
		case k.seq <= r.last:
			return
		case k.seq == r.last+1 && at == r.at+r.size && r.size < maxRun:
			r.last, r.low, r.high, r.size = k.seq, min(r.low, k.tick), max(r.high, k.tick), r.size+size
			return
		}
	}
	x.runs = slices.Insert(x.runs, i, run{k.epoch, k.seq, k.seq, k.tick, k.tick, at, size})
}

// foreign tells whether a file holds something, and nothing that was written here.
func (x *index) foreign() bool { return !x.sound && (x.headless || x.damage.count > 0) }

// damaged counts what was found damaged.
func (x *index) damaged() int64 { return x.damage.count + int64(len(x.broken)) }

// maxDamage is how many numbers of damaged lines are kept, for people to read.
const maxDamage = 16

// damage counts damaged lines.
type damage struct {
	count int64
	at    int64   // where the first of them begins
	first []int64 // their numbers, from 1
}

func (d *damage) add(line, at int64) {
	if d.count == 0 {
		d.at = at
	}
	if d.count++; len(d.first) < maxDamage {
		d.first = append(d.first, line)
	}
}

func (d *damage) join(other damage) {
	for _, n := range other.first {
		d.add(n, other.at)
	}
	d.count += other.count - int64(len(other.first))
}

func (d *damage) String() string {
	var b strings.Builder
	b.WriteString("line")
	for i, n := range d.first {
		fmt.Fprintf(&b, "%s %d", [...]string{"", ","}[min(i, 1)], n)
	}
	if more := d.count - int64(len(d.first)); more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// lost returns an error if events may be missing because lines are damaged.
func (x *index) lost(path string) error {
	if x.damage.count == 0 {
		return nil
	}
	return core.Errorf(core.ErrMalformed, "%s of %s cannot be read, so what was written there is missing; if it does not matter, stop the server and delete what is damaged", &x.damage, path)
}

package mem

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/parley-net/parley/core"
)

// Store holds what sinks write. The zero value is empty and ready. It is safe for
// concurrent use, and must not be copied after its first use.
type Store struct {
	// Keep is how many snapshots of each match are kept, the newest by epoch and
	// tick; older ones are dropped as new ones come. Events are all kept. It must not
	// change after the first write. Zero or less keeps all.
	Keep int

	mu      sync.RWMutex
	stopped bool
	matches map[string]*match
}

// match holds records in ascending order of their keys. A record never changes
// once it is here, so readers use it without the lock.
type match struct {
	snapshots []*snapshot
	events    []*core.Event
}

type snapshot struct {
	core.Snapshot // without Objects
	objects       []core.ObjectState
}

var errStopped = errors.New("mem: the store is stopped")

// Open returns a new Sink that writes to the store and reads from it. Any number
// may be open at once; each is to be closed.
func (s *Store) Open() *Sink { return &Sink{store: s, idle: make(chan struct{})} }

// Stop makes all writes and reads of the store fail, as those of a database that
// is down, until Start. What is stored stays. Stopping twice is the same as once.
func (s *Store) Stop() { s.set(true) }

// Start ends what Stop began. On a store that runs it does nothing.
func (s *Store) Start() { s.set(false) }

func (s *Store) set(stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = stopped
}

// Remove drops the snapshots and events of a match. One that is not stored is no
// error.
func (s *Store) Remove(match string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.matches, match)
}

// of returns the match of a name, new if there is none. The caller holds the lock.
func (s *Store) of(name string) *match {
	m := s.matches[name]
	if m == nil {
		m = new(match)
		if s.matches == nil {
			s.matches = make(map[string]*match)
		}
		s.matches[name] = m
	}
	return m
}

func (s *Store) putSnapshot(x *snapshot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopped
	}
	m := s.of(x.Match)
	m.snapshots = put(m.snapshots, x, func(a, b *snapshot) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Tick, b.Tick))
	})
	if over := len(m.snapshots) - s.Keep; s.Keep > 0 && over > 0 {
		m.snapshots = slices.Delete(m.snapshots, 0, over)
	}
	return nil
}

func (s *Store) putEvents(events []*core.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopped
	}
	for _, e := range events {
		m := s.of(e.Match)
		m.events = put(m.events, e, func(a, b *core.Event) int {
			return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
		})
	}
	return nil
}

// put sets x in its place in list, in that of its twin if there is one.
func put[T any](list []T, x T, order func(a, b T) int) []T {
	if n := len(list); n == 0 || order(list[n-1], x) < 0 {
		return append(list, x)
	}
	i, found := slices.BinarySearchFunc(list, x, order)
	if found {
		list[i] = x
		return list
	}
	return slices.Insert(list, i, x)
}

// names returns the names of the matches in ascending order.
func (s *Store) names() ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped {
		return nil, errStopped
	}
	return slices.Sorted(maps.Keys(s.matches)), nil
}

// read calls with the match of a name, an empty one if there is none, under the
// lock.
func (s *Store) read(name string, with func(m *match)) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped {
		return errStopped
	}
	m := s.matches[name]
	if m == nil {
		m = new(match)
	}
	with(m)
	return nil
}

package state

import (
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/parley-net/parley/core"
)

// World holds the shared objects of one match: the truth on the server, a replica
// of it on each client (thesis §5.2.2). It belongs to one goroutine, the match's on
// the server, and on a client that of whoever calls Update or ranges over Frames.
type World struct {
	schema    *Schema
	codec     core.Codec
	authority bool
	me        PlayerID
	tick      uint64
	next      ObjectID // the id that was given last
	frozen    uint64   // the tick of the newest Frozen
	messenger Messenger

	byID      map[ObjectID]*Object
	all       list
	byClass   []list
	byOwner   map[PlayerID]*list
	iterating int

	positions []*Position2D
	holes     int // nil places among positions
	moving    bool
	contacts  []contact
	grid      grid
	stores    []store // by class: where the values are, on the server
	chunks    []*chunk
	large     larges        // values that travel Reliable, on the server
	asks      []*Position2D // on a client: velocities the server does not have yet
	inputTick uint32        // on a client: counts rounds of input

	onSpawn, onDespawn []func(Entity)
	waiting            []firing // on a client: whose hooks run when the packet is in
	scratch            []byte
	refused            uint64 // movement that asked for what it may not have
}

// NewWorld makes an empty world that this side rules: a server's, or one in a
// test of game logic that needs no network. It fails if the schema is faulty, or
// has values that the codec cannot carry.
func NewWorld(s *Schema, c core.Codec) (*World, error) {
	w, err := newWorld(s, c)
	if err != nil {
		return nil, err
	}
	w.authority = true
	w.stores = make([]store, len(s.classes))
	return w, nil
}

func newWorld(s *Schema, c core.Codec) (*World, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("parley: no codec: set one, such as codec.Msgp")
	}
	for _, class := range s.classes {
		if err := class.check(c); err != nil {
			return nil, err
		}
	}
	if err := s.checkTypes(c); err != nil {
		return nil, err
	}
	w := &World{
		schema:  s,
		codec:   c,
		byID:    make(map[ObjectID]*Object),
		byClass: make([]list, len(s.classes)),
		byOwner: make(map[PlayerID]*list),
	}
	for i := range w.byClass {
		w.byClass[i].kind = inClass
	}
	return w, nil
}

// Schema returns the world's schema.
func (w *World) Schema() *Schema { return w.schema }

// Codec returns the codec of the world's values.
func (w *World) Codec() core.Codec { return w.codec }

// IsAuthority reports whether this side is the server, the one that may change
// the world.
func (w *World) IsAuthority() bool { return w.authority }

// Me returns the player that this side is; Server on the server.
func (w *World) Me() PlayerID { return w.me }

// Tick returns the server's tick: on the server the current one, on a client the
// one of the newest state that arrived.
func (w *World) Tick() uint64 { return w.tick }

// Len returns how many objects are alive.
func (w *World) Len() int { return len(w.byID) }

// Object returns the object with an id, nil if there is none.
func (w *World) Object(id ObjectID) Entity {
	if o := w.byID[id]; o != nil {
		return o.self
	}
	return nil
}

// Objects yields all objects in the order in which they appeared here. Objects may
// be spawned and despawned meanwhile; those that appear are not yielded.
func (w *World) Objects() iter.Seq[Entity] {
	return func(yield func(Entity) bool) { walk(w, &w.all, yield) }
}

// OwnedBy yields the objects of one player, or of Server, as Objects does.
func (w *World) OwnedBy(p PlayerID) iter.Seq[Entity] {
	return func(yield func(Entity) bool) { walk(w, w.byOwner[p], yield) }
}

// OnSpawn adds a hook that runs for each object that appears here: on the server
// inside Spawn, on a client when all of its packet is in place.
func (w *World) OnSpawn(fn func(Entity)) { w.onSpawn = append(w.onSpawn, fn) }

// OnDespawn adds a hook that runs for each object that goes away, which then is
// not alive any more.
func (w *World) OnDespawn(fn func(Entity)) { w.onDespawn = append(w.onDespawn, fn) }

// Refused returns how many velocities clients asked for that they may not have:
// too fast, of an object that is not theirs, or of one that the server controls.
func (w *World) Refused() uint64 { return w.refused }

// Spawn adds obj, which the server owns, to the world, and so to every client's.
// It returns obj. It panics on a client (*AuthorityError), for an object that was
// spawned before or whose class is not in the schema, and for values that cannot
// travel (*ValueError).
func Spawn[O Entity](w *World, obj O) O { return SpawnFor(w, Server, obj) }

// SpawnFor is Spawn for an object that belongs to a player. In a room it despawns
// when the player leaves.
func SpawnFor[O Entity](w *World, owner PlayerID, obj O) O {
	if err := w.spawn(obj, owner); err != nil {
		panic(err)
	}
	return obj
}

func (w *World) spawn(obj Entity, owner PlayerID) error {
	o := baseOf(obj)
	switch {
	case o == nil:
		return fmt.Errorf("parley: spawn: the object is nil")
	case o.world != nil:
		return fmt.Errorf("parley: spawn: %s was spawned before; make a new object", o)
	}
	t := reflect.TypeOf(obj).Elem()
	c := w.schema.byType[t]
	if c == nil {
		return fmt.Errorf("parley: spawn: class %s is not in the schema: add state.Class[%s]() to state.NewSchema", t.Name(), t.Name())
	}
	if !w.authority {
		return &AuthorityError{Op: "Spawn", Object: c.name}
	}
	if err := w.enter(obj, c, w.next+1, owner); err != nil {
		return err
	}
	w.next++
	spawned{o}.fire()
	return nil
}

// enter gives obj its place in the world, under an id. After an error it is as before.
func (w *World) enter(obj Entity, c *class, id ObjectID, owner PlayerID) error {
	once, err := c.appendSpawn(w.codec, nil, reflect.ValueOf(obj).Elem())
	if err != nil {
		return err
	}
	o := w.attach(obj, c, id, owner)
	o.chunk, o.row = w.stores[c.number].place(w, c, len(once))
	if err := o.chunk.occupy(o, once); err != nil {
		o.chunk.free(o.row)
		w.detach(o)
		return err
	}
	w.add(o)
	return nil
}

// All yields the objects of one class, as World.Objects does:
//
//	for k := range state.All[*Knight](world) { … }
//
// O may also be an interface that includes Entity: the objects of all classes that
// implement it.
func All[O Entity](w *World) iter.Seq[O] {
	return func(yield func(O) bool) {
		if t := reflect.TypeFor[O](); t.Kind() == reflect.Interface {
			walk(w, &w.all, yield)
		} else if c := w.schema.byType[t.Elem()]; c != nil {
			walk(w, &w.byClass[c.number], yield)
		}
	}
}

// Owned yields the objects of one class, or of those that implement an interface,
// that belong to one player, as World.Objects does.
func Owned[O Entity](w *World, p PlayerID) iter.Seq[O] {
	return func(yield func(O) bool) { walk(w, w.byOwner[p], yield) }
}

// Get returns the object with an id, and false when there is none of this class.
func Get[O Entity](w *World, id ObjectID) (O, bool) {
	obj, ok := w.Object(id).(O)
	return obj, ok
}

// OnSpawn adds a hook for the objects of one class that appear; see World.OnSpawn.
func OnSpawn[O Entity](w *World, fn func(O)) {
	w.OnSpawn(func(e Entity) {
		if obj, ok := e.(O); ok {
			fn(obj)
		}
	})
}

// OnDespawn adds a hook for the objects of one class that go away; see
// World.OnDespawn.
func OnDespawn[O Entity](w *World, fn func(O)) {
	w.OnDespawn(func(e Entity) {
		if obj, ok := e.(O); ok {
			fn(obj)
		}
	})
}

// Advance begins the next tick: movement that clients asked for takes effect, and
// everything with a velocity moves by dt. The server's room calls it before each
// body; a test of game logic may. On a client it panics with an *AuthorityError.
func (w *World) Advance(dt time.Duration) {
	if !w.authority {
		panic(&AuthorityError{Op: "Advance", Object: "the world"})
	}
	if w.moving {
		panic("parley: Advance inside a hook of Advance")
	}
	w.tick++
	w.moving = true
	defer func() {
		w.moving = false
		w.forgetContacts()
	}()
	w.move(dt.Seconds())
}

// encode encodes a variable's value; the result holds until the next call.
func (w *World) encode(v any) ([]byte, error) {
	b, err := w.codec.Append(w.scratch[:0], v)
	if err != nil {
		return nil, err
	}
	w.scratch = b
	if len(b) > MaxValue {
		return nil, tooLong(len(b))
	}
	return b, nil
}

func (w *World) decode(b []byte, v any) error {
	rest, err := w.codec.Decode(b, v)
	if err == nil && len(rest) > 0 {
		err = core.Errorf(core.ErrMalformed, "parley: %d bytes left over", len(rest))
	}
	return err
}

// await has f's hooks run when all of a packet is in place.
func (w *World) await(f firing) { w.waiting = append(w.waiting, f) }

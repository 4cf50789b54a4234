package state

import (
	"fmt"
	"reflect"
)

// Entity is a shared object: a pointer to a struct that embeds Object, whose
// methods it has.
type Entity interface {
	ID() ObjectID
	Owner() PlayerID
	Class() string
	World() *World
	IsAlive() bool
	IsMine() bool
	Despawn()
	SetOwner(PlayerID)
	OnOwner(func(old, new PlayerID))
	base() *Object
}

// Object makes a struct a shared object, one that appears on every client by
// itself (thesis §5.2.2). Embed it by value:
//
//	type Knight struct {
//		state.Object
//		Pos    state.Position2D
//		Health state.Var[int]
//	}
//
// Its methods belong to the goroutine that runs the world: the match on the
// server, whoever calls Update or ranges over Frames on a client.
type Object struct {
	id     ObjectID
	owner  PlayerID
	alive  bool
	world  *World
	class  *class
	self   Entity
	fields []field
	pos    *Position2D
	places [listKinds]int // in the world's lists

	chunk *chunk // where its values are, on the server
	row   int

	onOwner   []func(old, new PlayerID)
	oldOwner  PlayerID // on a client, while hooks wait
	lastInput uint32   // on the server: the newest movement input's tick + 1
}

func (o *Object) base() *Object { return o }

// ID returns the object's id, 0 before it is spawned.
func (o *Object) ID() ObjectID { return o.id }

// Owner returns the player the object belongs to, or Server.
func (o *Object) Owner() PlayerID { return o.owner }

// Class returns the name of the object's type, "" before it is spawned.
func (o *Object) Class() string {
	if o.class == nil {
		return ""
	}
	return o.class.name
}

// World returns the world the object was spawned in, nil before that.
func (o *Object) World() *World { return o.world }

// IsAlive reports whether the object is part of its world: spawned and not
// despawned. An object that went away keeps its last values for whoever still
// holds it.
func (o *Object) IsAlive() bool { return o.alive }

// IsMine reports whether the object belongs to this side: on a client to its own
// player, on the server to Server.
func (o *Object) IsMine() bool { return o.world != nil && o.owner == o.world.me }

// String returns the class and the id, such as "Knight 7".
func (o *Object) String() string {
	if o.class == nil {
		return "object that was not spawned"
	}
	return fmt.Sprintf("%s %d", o.class.name, o.id)
}

// Despawn takes the object out of the world, on the server and then everywhere.
// Despawn hooks run before it returns. On an object that is not alive it does
// nothing; on a client it panics with an *AuthorityError.
func (o *Object) Despawn() {
	if !o.alive {
		return
	}
	o.mustServe("Despawn")
	o.chunk.free(o.row)
	o.world.remove(o)
	despawned{o}.fire()
}

// SetOwner gives the object to another player, or to Server. Hooks run before it
// returns. When a player leaves a room, what it still owns despawns. On a client it panics with an *AuthorityError.
func (o *Object) SetOwner(p PlayerID) {
	if !o.alive || o.owner == p {
		return
	}
	o.mustServe("SetOwner")
	o.chunk.put(o.row, colOwner, int64(p))
	old := o.owner
	o.world.setOwner(o, p)
	for _, fn := range o.onOwner {
		fn(old, p)
	}
}

// OnOwner adds a hook that runs when the object's owner changed.
func (o *Object) OnOwner(fn func(old, new PlayerID)) { o.onOwner = append(o.onOwner, fn) }

// mustServe panics unless this side is the server.
func (o *Object) mustServe(op string) {
	if !o.world.authority {
		panic(&AuthorityError{Op: op, Object: o.String()})
	}
}

// attach makes obj an object of w, with its fields bound.
func (w *World) attach(obj Entity, c *class, id ObjectID, owner PlayerID) *Object {
	o := obj.base()
	o.id, o.owner, o.alive, o.world, o.class, o.self = id, owner, true, w, c, obj
	v := reflect.ValueOf(obj).Elem()
	o.fields = make([]field, len(c.fields))
	for i := range c.fields {
		def := &c.fields[i]
		o.fields[i] = v.FieldByIndex(def.index).Addr().Interface().(field)
		o.fields[i].bind(o, def)
	}
	return o
}

// detach undoes attach: the object is as one that was never spawned.
func (w *World) detach(o *Object) {
	w.drop(o)
	for i, f := range o.fields {
		f.bind(nil, &o.class.fields[i])
	}
	*o = Object{onOwner: o.onOwner}
}

// fire runs the owner hooks for what arrived.
func (o *Object) fire() {
	old, now := o.oldOwner, o.owner
	for _, fn := range o.onOwner {
		fn(old, now)
	}
}

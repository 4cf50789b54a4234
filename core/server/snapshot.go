package server

import (
	"fmt"
	"iter"
	"math"
	"reflect"
	"time"

	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/core/internal/plain"
	"github.com/parley-net/parley/core/state"
)

// roomClass is the class of the first object of each snapshot, which has the id 0
// and is the room itself.
const roomClass = "Room"

// roomState is what a snapshot tells of the room.
type roomState struct {
	Name       string
	Started    bool  // the match is under way,
	Waited     bool  // and its players waited for it in the lobby
	Events     int64 // recorded before the snapshot
	LastObject int64 // the highest ids that were given
	LastPlayer int64
	Players    []seatState
}

// seatState is what a snapshot tells of a player who has a seat.
type seatState struct {
	ID     int64
	Status string
	Ready  bool
	Info   any // see readInfo; nil for nothing
}

// snapshot is a room as it was at a tick.
type snapshot struct {
	state.Frozen
	at    time.Time
	mark  uint64 // events recorded before it
	room  roomState
	infos [][]byte // of the players
}

// reset forgets what s holds, and keeps its memory.
func (s *snapshot) reset() {
	s.Frozen.Reset()
	clear(s.room.Players)
	clear(s.infos)
	s.room.Players, s.infos = s.room.Players[:0], s.infos[:0]
}

// objects yields the room and then its objects.
func (s *snapshot) objects(codec core.Codec) iter.Seq[core.ObjectState] {
	for i, info := range s.infos {
		if s.room.Players[i].Info = nil; len(info) > 0 {
			s.room.Players[i].Info = readInfo(codec, info)
		}
	}
	s.room.Events, s.room.LastObject = int64(s.mark), int64(s.LastID())
	room := core.ObjectState{Class: roomClass, Alive: true, Fields: fieldsOf(reflect.ValueOf(s.room))}
	world := s.Objects()
	return func(yield func(core.ObjectState) bool) {
		if yield(room) {
			world(yield)
		}
	}
}

// fieldsOf returns the fields of a struct of plain values.
func fieldsOf(v reflect.Value) []core.Field {
	fields := make([]core.Field, v.NumField())
	for i := range fields {
		x, err := plain.Of(v.Field(i))
		if err != nil {
			panic(err) // roomState is made of what plain takes
		}
		fields[i] = core.Field{Name: v.Type().Field(i).Name, Value: x}
	}
	return fields
}

// readRoom is fieldsOf's other end.
func readRoom(x core.ObjectState) (room roomState, err error) {
	m := make(map[string]any, len(x.Fields))
	for _, f := range x.Fields {
		m[f.Name] = f.Value
	}
	if x.ID != 0 || x.Class != roomClass || len(m) != len(x.Fields) {
		return room, core.Errorf(core.ErrMalformed, "its first object is %s %d, and not the room: package server did not write it", x.Class, x.ID)
	}
	if err := plain.Set(reflect.ValueOf(&room).Elem(), m); err != nil {
		return room, fmt.Errorf("the room: %w", err)
	}
	switch {
	case room.Name == "":
		return room, core.Errorf(core.ErrMalformed, "the room has no name")
	case room.Events < 0, room.LastObject < 0, room.LastObject > math.MaxUint32, room.LastPlayer < 0, room.LastPlayer >= math.MaxUint32:
		return room, core.Errorf(core.ErrMalformed, "the room: a number is out of range: %d events, objects up to %d, players up to %d",
			room.Events, room.LastObject, room.LastPlayer)
	}
	last := int64(0)
	for _, p := range room.Players {
		if p.ID <= last || p.ID > room.LastPlayer {
			return room, core.Errorf(core.ErrMalformed, "the room: player %d in a list up to %d", p.ID, room.LastPlayer)
		}
		last = p.ID
	}
	return room, nil
}

// readInfo returns what a player says about itself as a value that anybody can
// read.
func readInfo(codec core.Codec, info []byte) any {
	var v any
	x, rest := plain.Read(codec, reflect.ValueOf(&v), info)
	if len(rest) > 0 {
		return plain.Bytes(codec, info)
	}
	return x
}

// infoBytes is readInfo's other end.
func infoBytes(codec core.Codec, x any) ([]byte, error) {
	if b, ok := plain.IsBytes(codec, x); ok {
		return b, nil
	}
	return codec.Append(nil, &x)
}

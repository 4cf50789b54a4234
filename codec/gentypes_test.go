package codec_test

//go:generate go tool msgp -file gentypes_test.go -o gentypes_gen_test.go -io=false -tests=false -unexported

import "time"

//msgp:limit arrays:4096 maps:256 marshal:true
//msgp:tuple genInput genPlayer genSnapshot genVec genShort

// genInput is the message of six fields that the benchmarks measure.
type genInput struct {
	Tick  uint32
	Seq   uint16
	MoveX float32
	MoveY float32
	Fire  bool
	Name  string
}

type genVec struct{ X, Y, Z float32 }

type genPlayer struct {
	ID    uint32
	Name  string
	Pos   genVec
	Vel   genVec
	HP    int16
	Tags  []string
	Blob  []byte
	Seen  time.Time
	Where *genVec
}

type genSnapshot struct {
	Tick    uint64
	Players []genPlayer
	Grid    [][]int16
}

// genShort has one field more in its wide form, so that lengths can be wrong.
type genShort struct{ A, B int8 }

// genLoose travels as a map by its generated methods.
type genLoose struct {
	A    int      `msg:"a"`
	B    string   `msg:"b"`
	Kids []genVec `msg:"kids"`
	Big  *genWide `msg:"big"`
}

// genWide is large in memory and one byte as an empty map.
type genWide struct {
	F0, F1, F2, F3, F4, F5, F6, F7 [16]uint64
}

type genWides struct {
	List []genWide `msg:"l"`
}

// genNames has a method set of its own on a slice.
type genNames []string

// genBorrow keeps a part of what it decodes.
type genBorrow struct {
	Data []byte `msg:"d,zerocopy"`
}

// genMap holds a map, whose order generated code does not keep.
type genMap struct {
	M map[string]int
}

// genDeep holds an interface.
type genDeep struct {
	L []struct{ V any }
}

// genList contains itself.
type genList struct {
	Next *genList
}

package codec

import "reflect"

// structure plans a struct: its exported fields in the order of their
// declaration, the fields of embedded structs in their place.
func (b builder) structure(p *plan, t reflect.Type) *fault {
	p.op = opStruct
	hidden := 0
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" || skipped(sf.Tag) {
			continue
		}
		place := "." + sf.Name
		if !sf.IsExported() && !(sf.Anonymous && holdsStruct(sf.Type)) {
			hidden++
			continue
		}
		if !sf.IsExported() {
			if sf.Type.Kind() == reflect.Pointer {
				return unsupported("a nil pointer to an embedded struct that is not exported cannot be set: embed the struct itself, or export it").in(place)
			}
			// The methods of such a struct are out of reach, its fields are not.
			inner := &plan{typ: sf.Type, size: int(sf.Type.Size())}
			if f := b.structure(inner, sf.Type); f != nil {
				return f.in(place)
			}
			p.add(field{index: i, name: sf.Name, plan: inner, inline: true})
			continue
		}
		inner, f := b.plan(sf.Type)
		if f != nil {
			return f.in(place)
		}
		p.add(field{index: i, name: sf.Name, plan: inner, inline: sf.Anonymous && inner.op == opStruct})
	}
	if len(p.fields) == 0 && hidden > 0 {
		return unsupported("no field of %s is exported, so nothing would travel: export fields, or tag all of them `parley:\"-\"`", t)
	}
	return nil
}

func (p *plan) add(f field) {
	p.fields = append(p.fields, f)
	if f.inline {
		p.n += f.plan.n
	} else {
		p.n++
	}
}

func skipped(tag reflect.StructTag) bool {
	return tag.Get("parley") == "-" || tag.Get("msg") == "-"
}

func holdsStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}

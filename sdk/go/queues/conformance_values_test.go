package queues

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object of a vector: JSON as any, with json.Number for numbers.
type fields = map[string]any

func parse(text []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		panic(fmt.Sprintf("%v in %.200s", err, text))
	}
	return value
}

// resolve gives what a value of a vector stands for: references, and objects with one member that begins with $. What
// stands for many values in an expectation stays as it is.
func resolve(value any, names fields) any {
	switch value := value.(type) {
	case string:
		if rest, escaped := strings.CutPrefix(value, "$$"); escaped {
			return "$" + rest
		}
		if name, reference := strings.CutPrefix(value, "$"); reference {
			return at(names, strings.Split(name, "."))
		}
		return value
	case []any:
		resolved := make([]any, len(value))
		for index, one := range value {
			resolved[index] = resolve(one, names)
		}
		return resolved
	case fields:
		for name, inside := range value {
			if len(value) == 1 && builders[name] != nil {
				return builders[name](inside, names)
			}
		}
		resolved := fields{}
		for name, one := range value {
			resolved[name] = resolve(one, names)
		}
		return resolved
	}
	return value
}

func at(value any, path []string) any {
	for _, step := range path {
		switch inside := value.(type) {
		case fields:
			value = inside[step]
		case []any:
			index, _ := strconv.Atoi(step)
			value = inside[index]
		default:
			panic("no " + step + " in a value of the vector")
		}
	}
	return value
}

var builders map[string]func(inside any, names fields) any

func init() {
	builders = map[string]func(any, fields) any{
		"$with": func(inside any, names fields) any {
			parts := resolve(inside, names).([]any)
			merged := fields{}
			for _, part := range parts {
				for name, value := range part.(fields) {
					merged[name] = value
				}
			}
			return merged
		},
		"$without": func(inside any, names fields) any {
			parts := resolve(inside, names).([]any)
			left := fields{}
			for name, value := range parts[0].(fields) {
				if !slices.Contains(parts[1].([]any), any(name)) {
					left[name] = value
				}
			}
			return left
		},
		"$repeat": func(inside any, names fields) any {
			parts := resolve(inside, names).([]any)
			return strings.Repeat(parts[0].(string), int(number(parts[1])))
		},
		"$join": func(inside any, names fields) any {
			text := ""
			for _, part := range resolve(inside, names).([]any) {
				text += fmt.Sprint(part)
			}
			return text
		},
		"$nested": func(inside any, names fields) any {
			nested := any([]any{})
			for range int(number(inside)) - 1 {
				nested = []any{nested}
			}
			return nested
		},
		"$times": func(inside any, names fields) any {
			parts := inside.([]any)
			all := []any{}
			for index := range int(number(resolve(parts[0], names))) {
				all = append(all, resolve(parts[1], indexed(names, index)))
			}
			return all
		},
	}
}

func indexed(names fields, index int) fields {
	inner := fields{"index": json.Number(strconv.Itoa(index))}
	for name, value := range names {
		if name != "index" {
			inner[name] = value
		}
	}
	return inner
}

func number(value any) float64 {
	parsed, err := strconv.ParseFloat(string(value.(json.Number)), 64)
	if err != nil {
		panic(err)
	}
	return parsed
}

// zero is a field of a result that is empty: Go has no null, so that it is both.
type zero struct{ value any }

// plain is a result of the SDK under the wire's names.
func plain(value any) any {
	switch value := value.(type) {
	case nil:
		return nil
	case json.RawMessage:
		if value == nil {
			return nil
		}
		return parse(value)
	case time.Time:
		if value.IsZero() {
			return nil
		}
		return value.UTC().Format("2006-01-02T15:04:05.000Z")
	case fields, []any, json.Number, zero:
		return value
	case *Message:
		return plain(*value)
	}
	of := reflect.ValueOf(value)
	switch of.Kind() {
	case reflect.Pointer:
		if of.IsNil() {
			return nil
		}
		return plain(of.Elem().Interface())
	case reflect.Slice:
		all := []any{}
		for index := range of.Len() {
			all = append(all, plain(of.Index(index).Interface()))
		}
		return all
	case reflect.Map:
		all := fields{}
		for _, key := range of.MapKeys() {
			all[key.String()] = plain(of.MapIndex(key).Interface())
		}
		return all
	case reflect.Struct:
		return plainStruct(of)
	}
	text, _ := json.Marshal(value)
	if of.IsZero() && of.Kind() != reflect.Bool {
		return zero{parse(text)}
	}
	return parse(text)
}

func plainStruct(of reflect.Value) any {
	all := fields{}
	for index := range of.NumField() {
		field := of.Type().Field(index)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			for inner, value := range plain(of.Field(index).Interface()).(fields) {
				all[inner] = value
			}
		case name != "" && name != "-":
			all[name] = plain(of.Field(index).Interface())
		}
	}
	return all
}

// differs says where a result is not what a vector expects, or "". whole: an object has no further members.
func differs(expected, actual any, whole bool) string {
	if empty, isZero := actual.(zero); isZero {
		if expected == nil {
			return ""
		}
		actual = empty.value
	}
	expected, actual = asNumber(expected), asNumber(actual)
	different := fmt.Sprintf("expected %s, got %s", shown(expected), shown(actual))
	switch expected := expected.(type) {
	case fields:
		for name, inside := range expected {
			if len(expected) == 1 && matchers[name] != nil {
				if matchers[name](inside, actual, whole) {
					return ""
				}
				return different
			}
		}
		return differsObject(expected, actual, whole, different)
	case []any:
		list, isList := actual.([]any)
		if !isList || len(list) != len(expected) {
			return different
		}
		for index := range expected {
			if found := differs(expected[index], list[index], whole); found != "" {
				return fmt.Sprintf("[%d]: %s", index, found)
			}
		}
		return ""
	case json.Number:
		got, isNumber := actual.(json.Number)
		if isNumber && (got == expected || number(got) == number(expected) && !large(got)) {
			return ""
		}
		return different
	}
	if reflect.DeepEqual(expected, actual) {
		return ""
	}
	return different
}

// asNumber is a float, such as one of metadata, as numbers of JSON are here.
func asNumber(value any) any {
	if float, isFloat := value.(float64); isFloat {
		return json.Number(strconv.FormatFloat(float, 'g', -1, 64))
	}
	return value
}

// large: an integer that a double can't tell from its neighbours.
func large(value json.Number) bool { return number(value) > 1<<53 || number(value) < -1<<53 }

func differsObject(expected fields, actual any, whole bool, different string) string {
	object, isObject := actual.(fields)
	if !isObject {
		return different
	}
	for name, inside := range expected {
		if found := differs(inside, object[name], whole); found != "" {
			return "." + name + ": " + found
		}
	}
	if whole && len(object) > len(expected) {
		return different
	}
	return ""
}

func shown(value any) string {
	text, _ := json.Marshal(value)
	return string(text[:min(len(text), 500)])
}

var matchers map[string]func(inside, actual any, whole bool) bool

func init() {
	matchers = map[string]func(any, any, bool) bool{
		"$any": func(_, actual any, _ bool) bool { return actual != nil },
		"$match": func(pattern, actual any, _ bool) bool {
			text, isText := actual.(string)
			return isText && regexp.MustCompile("^(?:"+pattern.(string)+")$").MatchString(text)
		},
		"$between": func(bounds, actual any, _ bool) bool {
			got, isNumber := actual.(json.Number)
			between := bounds.([]any)
			return isNumber && number(between[0]) <= number(got) && number(got) <= number(between[1])
		},
		"$length": func(length, actual any, _ bool) bool {
			list, isList := actual.([]any)
			return isList && float64(len(list)) == number(length)
		},
		"$unordered": func(all, actual any, whole bool) bool {
			list, isList := actual.([]any)
			if !isList || len(list) != len(all.([]any)) {
				return false
			}
			left := slices.Clone(list)
			for _, one := range all.([]any) {
				found := slices.IndexFunc(left, func(got any) bool { return differs(one, got, whole) == "" })
				if found < 0 {
					return false
				}
				left = slices.Delete(left, found, found+1)
			}
			return true
		},
	}
}

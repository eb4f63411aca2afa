# bash completion for kdbridge: what `kdbridge --help` lists, so that it is always true.

# Prints "name argument" for each option of the program $1 or of its subcommand $2.
_kdbridge_options() {
	"$1" ${2:+"$2"} --help 2>/dev/null |
		sed -n 's/^  --\([a-z0-9-]*\)=\{0,1\}\([^ ]*\) .*/\1 \2/p'
}

_kdbridge_subcommands() {
	"$1" --help 2>/dev/null | sed -n '/^Subcommands/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

# Adds what an argument can be, as --help names it: DIR|none, text|json, FILE …
_kdbridge_argument() {
	local part
	for part in ${1//|/ }; do
		case $part in
		FILE) compopt -o filenames && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$2") ;;
		DIR) compopt -o filenames && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$2") ;;
		HOST) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -A hostname -- "$2") ;;
		*[!a-z0-9]*) ;;
		*) [[ $part == "$2"* ]] && COMPREPLY+=("$part") ;;
		esac
	done
}

_kdbridge() {
	local program=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]}
	local before=${COMP_WORDS[COMP_CWORD - 1]} subcommand= subcommands options name argument
	COMPREPLY=()
	subcommands=$(_kdbridge_subcommands "$program")
	if ((COMP_CWORD > 1)) && [[ " ${subcommands//$'\n'/ } " == *" ${COMP_WORDS[1]} "* ]]; then
		subcommand=${COMP_WORDS[1]}
	fi
	options=$(_kdbridge_options "$program" "$subcommand")

	# "--name=wo" comes as three words
	if [[ $word == = ]]; then
		word=
	elif [[ $before == = ]]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	if [[ $before == -c ]]; then
		before=--config
	fi
	while read -r name argument; do
		if [[ $before == "--$name" && $argument ]]; then
			_kdbridge_argument "$argument" "$word"
			return
		fi
	done <<<"$options"

	if [[ $word == -* ]]; then
		while read -r name argument; do
			[[ $name && "--$name" == "$word"* ]] || continue
			COMPREPLY+=("--$name${argument:+=}")
		done <<<"$options"
		[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	elif ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$subcommands" -- "$word")
	elif [[ $subcommand == dissect ]]; then
		_kdbridge_argument FILE "$word"
	fi
}

complete -F _kdbridge kdbridge

#!/bin/bash
# Runs commands for the harness, which sits at the other end of a virtio-serial port. See agent.ts for the protocol.
# It starts few processes, because under emulation each costs time.
port=/dev/virtio-ports/draisine.kola
dir=/run/draisine-kola
umask 077
shopt -s nullglob
mkdir -p "$dir"
cd /root 2>/dev/null || cd /
read -r boot </proc/sys/kernel/random/boot_id

# Answers take turns. Who has the one line of this pipe may write to the port.
rm -f "$dir/turn"
mkfifo "$dir/turn"
exec 4<>"$dir/turn"
echo >&4

# One command, in the background: its streams go to files, so that a daemon it leaves behind holds nothing up.
serve() {
  local id=$1 seconds=$2 script=$3 code file
  timeout --kill-after=5 "$seconds" /bin/bash -c "$script" \
    <"$dir/$id.in" >"$dir/$id.out" 2>"$dir/$id.err" 3>&- 4>&-
  code=$?
  read -r -u 4
  {
    printf ':begin %s\n' "$id"
    if [[ -s $dir/$id.out ]]; then base64 -w 16384 "$dir/$id.out"; fi
    printf ':stderr\n'
    if [[ -s $dir/$id.err ]]; then base64 -w 16384 "$dir/$id.err"; fi
    printf ':end %s %s\n' "$id" "$code"
  } >&3
  echo >&4
  for file in in out err ended; do : >"$dir/$id.$file"; done
}

# Removes the files of all commands that have ended.
sweep() {
  local ended files=()
  for ended in "$dir"/*.ended; do files+=("${ended%.ended}".*); done
  rm -f -- "${files[@]}"
}

while :; do
  until [[ -c $port ]]; do sleep 0.1; done
  # One descriptor for both directions: the port may be opened only once.
  if exec 3<>"$port"; then
    printf '\n:hello %s\n' "$boot" >&3
    while IFS=' ' read -r -u 3 word id seconds script_size input_size; do
      case $word in
        hello?)
          # The harness of a fork counts its commands from 1 again.
          sweep
          printf '\n:hello %s\n' "$boot" >&3
          ;;
        run)
          IFS= LC_ALL=C read -r -u 3 -d '' -N "$script_size" script
          if ((input_size > 0)); then head -c "$input_size" <&3 >"$dir/$id.in"; else : >"$dir/$id.in"; fi
          serve "$id" "$seconds" "$script" &
          if ((id % 32 == 0)); then sweep & fi
          ;;
      esac
    done
    exec 3>&-
  fi
  # End of file: nobody at the other end just now.
  sleep 0.05
done

{{/* The configuration file: the user's, and what the chart knows better. */}}
{{- define "rotatord.config" -}}
{{- $config := .Values.config | default dict -}}
{{- $state := dict "path" "/var/lib/rotatord" -}}
{{- if include "rotatord.etcd" . -}}
{{- $state = dict "identity_file" "/run/identity/identity.txt" -}}
{{- include "rotatord.refuseOwn" (dict "config" $config "path" (list "state" "identity_file") "instead" "etcd.identitySecret") -}}
{{- include "rotatord.refuseOwn" (dict "config" $config "path" (list "server" "advertise") "instead" "web.tls, with which each replica has its own address") -}}
{{- end -}}
{{- $own := dict "state" $state
      "server" (dict "listen" ":9476" "admin_socket" "/run/rotatord/admin.sock") -}}
{{- if .Values.web.existingSecret -}}
{{- $_ := set $own.server "web_config_file" "/run/web/web-config.yaml" -}}
{{- end -}}
{{- include "rotatord.refuseOwn" (dict "config" $config "path" (list "state" "path") "instead" "persistence") -}}
{{- include "rotatord.refuseOwn" (dict "config" $config "path" (list "server" "listen") "instead" "the chart's Service, port 9476") -}}
{{- include "rotatord.refuseOwn" (dict "config" $config "path" (list "server" "admin_socket") "instead" "kubectl exec") -}}
{{- include "rotatord.refuseOwn" (dict "config" $config "path" (list "server" "web_config_file") "instead" "web.existingSecret") -}}
{{- mergeOverwrite (deepCopy $config) $own | toYaml -}}
{{- end }}

{{/* Fails when the user's configuration has a key that the chart sets. */}}
{{- define "rotatord.refuseOwn" -}}
{{- $section := get .config (first .path) | default dict -}}
{{- if hasKey $section (last .path) -}}
{{- fail (printf "config.%s is set by the chart: leave it out, and see %s" (join "." .path) .instead) -}}
{{- end -}}
{{- end }}

{{/* A duration of the configuration, such as 1m30s, in whole seconds, rounded up. */}}
{{- define "rotatord.seconds" -}}
{{- $units := dict "w" 604800.0 "d" 86400.0 "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 0.001 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ns|us|µs|ms|s|m|h|d|w)" . -1 -}}
{{- $unit := regexFind "[a-zµ]+$" . -}}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get $units $unit | default 0.0)) -}}
{{- end -}}
{{- ceil $sum | int -}}
{{- end }}

{{/* How long Kubernetes waits for rotatord to stop. */}}
{{- define "rotatord.terminationGracePeriodSeconds" -}}
{{- $stop := include "rotatord.seconds" (get (.Values.config | default dict) "shutdown_timeout" | default "30s") | int -}}
{{- $given := .Values.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{- add $stop 15 -}}
{{- else if le (int $given) $stop -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and config.shutdown_timeout %d s: give it more, or rotatord is killed while it stops" (int $given) $stop) -}}
{{- else -}}
{{- int $given -}}
{{- end -}}
{{- end }}

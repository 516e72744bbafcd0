{{/* One probe: "path" is asked over HTTP, or, where the listener wants a certificate, what "instead" says. */}}
{{- define "rotatord.probe" -}}
{{- if .root.Values.web.clientCertificates }}
{{- toYaml .instead }}
{{- else }}
httpGet:
  path: {{ .path }}
  port: http
  {{- if .root.Values.web.tls }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{ toYaml .timing }}
{{- end }}

{{- define "rotatord.probes" -}}
{{- $connect := dict "tcpSocket" (dict "port" "http") -}}
{{- $ask := dict "exec" (dict "command" (list "/rotatord" "status" "--ready")) -}}
startupProbe:
  {{- include "rotatord.probe" (dict "root" . "path" "/-/healthy" "instead" $connect "timing" .Values.probes.startup) | trim | nindent 2 }}
livenessProbe:
  {{- include "rotatord.probe" (dict "root" . "path" "/-/healthy" "instead" $connect "timing" .Values.probes.liveness) | trim | nindent 2 }}
readinessProbe:
  {{- include "rotatord.probe" (dict "root" . "path" "/-/ready" "instead" $ask "timing" .Values.probes.readiness) | trim | nindent 2 }}
{{- end }}

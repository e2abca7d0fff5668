{{/* An image, by its digest where there is one: include "roadstead.image" (list . "operator"). */}}
{{- define "roadstead.image" -}}
{{- $root := index . 0 -}}
{{- $own := (index $root.Values (index . 1)).image -}}
{{- $repository := $own.repository | default (printf "%s/%s" $root.Values.image.prefix (index . 1)) -}}
{{- if $own.digest -}}
{{ $repository }}@{{ $own.digest }}
{{- else -}}
{{ $repository }}:{{ $own.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "roadstead.pullPolicy" -}}
{{- $root := index . 0 -}}
{{ (index $root.Values (index . 1)).image.pullPolicy | default $root.Values.image.pullPolicy }}
{{- end }}

{{- define "roadstead.pullSecrets" -}}
{{- $root := index . 0 -}}
{{- with (index $root.Values (index . 1)).image.pullSecrets | default $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
